"""Settings: from `settings/*.yaml` and the environment into an adapter's pydantic model.

    settings/adapters.yaml      queue: memory
    settings/queue.yaml         queue:
                                  max_workers: ${WORKERS:-4}
    the environment             ONCUE_QUEUE__MAX_WORKERS=8

Both files are read at the call, never at import; one that is missing means defaults. What is
wrong is a `SettingsError` that names the file or the variable, the key, and the nearest valid
key; the value itself is never shown, since it may be a secret.

pydantic-settings reads YAML and the environment too, but its errors do not say which of them a
value came from, and it passes over a misspelt variable in silence: hence these few files.
"""

from oncue.settings.draft import Draft as Draft
from oncue.settings.errors import Problem as Problem
from oncue.settings.errors import SettingsError as SettingsError
from oncue.settings.model import QueueSettings as QueueSettings
from oncue.settings.read import read_adapter_name as read_adapter_name
from oncue.settings.read import read_queue_settings as read_queue_settings
from oncue.settings.read import settings_folder as settings_folder
