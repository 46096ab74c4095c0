"""Alibaba Cloud: SMS (dysmsapi) and voice (dyvmsapi)."""
