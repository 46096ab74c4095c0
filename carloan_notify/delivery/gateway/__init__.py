"""Any HTTP gateway described as data: how a request is written, signed and its answer read."""
