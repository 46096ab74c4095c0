"""One file per provider; `delivery.registry` lists them."""
