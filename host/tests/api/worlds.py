"""Short ways through the API: what a test needs before it can begin."""

from __future__ import annotations

__all__ = ["Shop"]


class Shop:
    """A company with a village, and everything it sells, made through the API."""

    def __init__(self, api):
        self.api = api
        self.village = self._village()

    def _village(self, name="Kimwani"):
        cluster = self.api.ok("POST", "/clusters", {"name": "Kagera"})["id"]
        grid = self.api.ok("POST", "/mini-grids", {"name": "Muleba", "cluster_id": cluster})["id"]
        return self.api.ok("POST", "/villages", {"name": name, "mini_grid_id": grid})["id"]

    def tariff(self, name="Household", price="100", **more):
        return self.api.ok("POST", "/tariffs", {"name": name, "price_per_kwh": price, **more})["id"]

    def appliance(self, name="Home 40", kind="shs", price="1000"):
        body = {"name": name, "kind": kind, "price": price}
        return self.api.ok("POST", "/appliances", body)["id"]

    def customer(self, name="Asha", phone="0712345678"):
        body = {"name": name, "surname": "Juma", "phone": phone, "village_id": self.village}
        return self.api.ok("POST", "/customers", body)["id"]

    def meter_body(self, serial="47001234567", tariff_id=None, **more):
        return {
            "request_id": f"app-{serial}",
            "customer": {"name": "Asha", "surname": "Juma", "phone": "0712345678"},
            "village_id": self.village,
            "device": {"kind": "meter", "serial": serial, "manufacturer": "calin"},
            "tariff_id": tariff_id or self.tariff(f"Tariff of {serial}"),
            **more,
        }

    def meter(self, serial="47001234567", **more):
        return self.api.ok("POST", "/registrations", self.meter_body(serial, **more))

    def home(self, serial="12345678", sale=None, **more):
        body = {
            "request_id": f"app-{serial}",
            "customer": {"name": "Baraka", "surname": "Mushi", "phone": "0712345679"},
            "village_id": self.village,
            "device": {
                "kind": "shs",
                "serial": serial,
                "manufacturer": "sunking",
                "appliance_id": self.appliance(f"Home of {serial}"),
            },
            "sale": sale,
            **more,
        }
        return self.api.ok("POST", "/registrations", body)

    def television(self, customer_id=None, **terms):
        """Sell a plain appliance."""
        customer_id = customer_id or self.customer()
        return self.api.ok(
            "POST",
            "/sales",
            {
                "customer_id": customer_id,
                "appliance_id": self.appliance(f"TV of {customer_id}", "other"),
                "sold_on": "2026-01-31",
                **terms,
            },
        )

    def rows(self, sale):
        return [(row["due_on"], row["cost"], row["remaining"]) for row in sale["rows"]]
