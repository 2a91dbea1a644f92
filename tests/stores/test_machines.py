"""Any history of calls and of nodes: each store against the model of `machine.py`."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import rule

from oncue.stores import Beat, Pulse, Reconciled, incarnation_of
from tests.stores.machine import StoreMachine, do, nodes, picks


class MemoryMachine(StoreMachine):
    """Nodes that crash, fall silent, forget what they hold, and rescue each other's tasks."""

    @rule(node=nodes)
    def crash_of_a_pool(self, node: str) -> None:
        held = [told for told in self.select("running") if told.node == node]
        self.restart(node)
        for told in held:
            self.lose(told)

    @rule(node=nodes)
    def crash_of_a_node(self, node: str) -> None:
        for told in self.select("running"):
            if told.node == node:
                told.lost = True
        self.restart(node, restarted=False)

    @rule(node=nodes)
    def beat(self, node: str) -> None:
        [pulse] = self.do(self.store.heartbeat([Beat(node=node, incarnation=self.incarnation[node])]))
        assert pulse is (Pulse.ALIVE if self.is_alive(node) else Pulse.LOST)
        if pulse is Pulse.ALIVE:
            self.beat_at[node] = self.clock.now()

    @rule(node=nodes, limit=st.integers(0, 3))
    def rescue(self, node: str, limit: int) -> None:
        lost = [
            told for told in self.select("running") if told.lost or not self.is_alive(told.node)
        ]
        rescued = self.do(self.store.rescue(node, self.next_lease[node], limit))
        assert len(rescued) == (min(limit, len(lost)) if self.is_alive(node) else 0)
        for task in rescued:
            told = self.told[task.row.task_id]
            assert told in lost
            self.stale.append((told.row.task_id, told.lease))
            told.node, told.lease, told.lost = node, task.lease, False
            assert told.lease not in self.leases
            self.leases.add(told.lease)
            self.next_lease[node] += 1

    @rule(node=nodes, forgotten=picks)
    def reconcile(self, node: str, forgotten: int) -> None:
        incarnation = self.incarnation[node]
        mine = [
            told
            for told in self.select("running")
            if told.node == node and incarnation_of(told.lease) == incarnation
        ]
        orphans = [told for number, told in enumerate(mine) if forgotten >> number & 1]
        held = {told.lease for told in mine if told not in orphans} | {0}
        answer = self.do(self.store.reconcile(node, incarnation, held))
        assert answer == Reconciled(void=frozenset({0}), returned=len(orphans))
        for told in orphans:
            self.lose(told)


TestMemoryMachine = MemoryMachine.TestCase
TestMemoryMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
