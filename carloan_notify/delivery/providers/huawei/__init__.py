"""Huawei Cloud: SMS."""
