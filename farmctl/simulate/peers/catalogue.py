"""All re-implemented rules, by the name under which a user asks for one."""

from collections.abc import Callable

from farmctl.simulate.engine import Policy
from farmctl.simulate.peers.elastiq import Elastiq
from farmctl.simulate.peers.forecasts import Adapt, ConPaaS, Hist, React, Reg
from farmctl.simulate.peers.rates import Cobald, HorizontalPodAutoscaler, OneFlow
from farmctl.simulate.peers.timeouts import (
    CloudScheduler,
    clues,
    karpenter,
    slurm_power_save,
)

PEERS: dict[str, Callable[[], Policy]] = {
    "elastiq": Elastiq,
    "elastiq-example": Elastiq.from_example,
    "cloudscheduler": CloudScheduler,
    "clues": clues,
    "slurm": slurm_power_save,
    "karpenter": karpenter,
    "karpenter-30": lambda: karpenter(30),
    "hpa": HorizontalPodAutoscaler,
    "oneflow": OneFlow,
    "oneflow-25": lambda: OneFlow(name="OneFlow +25 %", share=0.25),
    "cobald": Cobald,
    "cobald-slow": lambda: Cobald(name="COBalD linear 1/60", rate=1 / 60),
    "cobald-supply": lambda: Cobald(
        name="COBalD relative supply", relative=True, low=0.5, high=0.5
    ),
    "react": React,
    "adapt": Adapt,
    "hist": Hist,
    "reg": Reg,
    "conpaas": ConPaaS,
}
"""Makes a fresh policy; each replay needs its own."""
