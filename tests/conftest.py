"""What holds for all tests."""

import signal

from hypothesis import HealthCheck, settings

# these machines are shared: how long an example takes says nothing about it
settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")

# in the background (nohup, a script's &) some signals are ignored, and so they would be in every process started here
for _name, _handler in {
    "SIGINT": signal.default_int_handler,
    "SIGHUP": signal.SIG_DFL,
    "SIGQUIT": signal.SIG_DFL,
}.items():
    _number = getattr(signal, _name, None)
    if _number is not None and signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _handler)
