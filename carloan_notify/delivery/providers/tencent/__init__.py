"""Tencent Cloud: SMS (sms) and voice (vms)."""
