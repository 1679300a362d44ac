"""Descriptions that each rule on how fields go together passes and that it fails: the valid one, changed in one place."""

from system_tree import CLIENT, DRIVE, NODE, POWER, SUPPLY, SWITCH, SystemTree, all_passing, setting, several, without

from pytest_mlpstorage.results.records import SystemDescription

SUBJECT = SystemDescription
write = SystemTree.write

POWER_KEY = "clients.0.chassis.power"
SIMULTANEOUS = "solution.capabilities.simultaneous_write"
REMAP = "solution.capabilities.remap_time_in_seconds"
LOCATION = "solution.architecture.storage_location"

PASSING = {
    "SYS-04": all_passing(
        several(setting("solution.architecture.client_footprint", "n/a"), setting("solution.architecture.client_installation", "n/a"))
    ),
    "SYS-06": all_passing(
        several(setting(SIMULTANEOUS, False), setting(REMAP, 1)),
        several(setting("solution.capabilities.simultaneous_read", "false"), setting(REMAP, "60")),
        several(setting("solution.capabilities.simultaneous_read", False), setting(SIMULTANEOUS, False), setting(REMAP, 60)),
    ),
    "SYS-10": all_passing(several(SystemTree.cloud, setting("total_rack_units", 0)), without("product_switches")),
    "SYS-11": all_passing(
        several(SystemTree.cloud, setting("product_switches", [])),
        several(SystemTree.cloud, lambda t: t.edit(lambda d: d["system_under_test"].update(rack_power_supplies=None))),
        setting("rack_power_supplies", [POWER]),
    ),
    "SYS-12": all_passing(
        setting("total_rack_units", "10"),
        several(setting("product_nodes.0.quantity", "1"), setting("total_rack_units", 4)),
        several(setting("product_switches.0.unit_count", 3), setting("total_rack_units", 11)),
        several(
            setting("product_nodes.0.chassis.rack_units", 0.1), setting("product_nodes.0.quantity", 3), setting("total_rack_units", 2.3)
        ),
        several(without("product_switches"), setting("total_rack_units", 8)),
        several(SystemTree.cloud, setting("total_rack_units", 0)),
        several(setting("clients.0.chassis.rack_units", 9)),
        several(setting("product_nodes", [NODE, NODE]), setting("total_rack_units", 18)),
        several(SystemTree.cloud, setting("product_switches", [SWITCH]), setting("total_rack_units", 2)),
    ),
    "SYS-13": all_passing(
        setting(f"{POWER_KEY}.min_psus_active", 2),
        setting(f"{POWER_KEY}.min_psus_active", "2"),
        several(
            setting(f"{POWER_KEY}.psus_configured", [SUPPLY, {**SUPPLY, "unit_count": "1"}]), setting(f"{POWER_KEY}.min_psus_active", 3)
        ),
        without(POWER_KEY),
    ),
    "SYS-14": all_passing(
        several(SystemTree.local, without("clients.0.networking")),
        setting(LOCATION, "remote_and_local"),
    ),
    "SYS-15": all_passing(several(SystemTree.local, setting("product_switches", [])), setting(LOCATION, "remote_and_local")),
    "SYS-16": all_passing(
        several(SystemTree.cloud, without("product_nodes")),
        several(without("product_nodes"), setting("clients.0.drives", [DRIVE])),
        several(without("product_nodes"), setting(LOCATION, "remote_and_local")),
    ),
}

FAILING = {
    "SYS-04": [
        (setting("solution.architecture.client_footprint", "n/a"), "only one of the two does not apply; measured client_footprint n/a and"),
        (setting("solution.architecture.client_installation", "n/a"), "required both or neither n/a"),
    ],
    "SYS-06": [
        (setting(REMAP, 1), "although hosts can write and read at once; measured 1 s; required 0 s"),
        (setting(SIMULTANEOUS, False), "no remap time is given; measured 0 s; required more than 0 s"),
        (setting("solution.capabilities.simultaneous_read", "False"), "no remap time"),
        (
            lambda d: (setting(SIMULTANEOUS, False)(d), setting(REMAP, -5)(d)),
            "no remap time is given; measured -5 s; required more than 0 s",
        ),
    ],
    "SYS-10": [
        (without("product_nodes.0.chassis.rack_units"), "system_under_test.product_nodes[0].chassis.rack_units"),
        (without("product_nodes.0.chassis.power"), "system_under_test.product_nodes[0].chassis.power"),
        (without("clients.0.chassis.rack_units"), "system_under_test.clients[0].chassis.rack_units"),
        (without("clients.0.chassis.power"), "a field that a deployment on premises needs is not there"),
        (without("total_rack_units"), "system_under_test.total_rack_units"),
        (without("product_switches.0.rack_units"), "system_under_test.product_switches[0].rack_units"),
        (without("product_switches.0.power"), "system_under_test.product_switches[0].power"),
        (setting("product_switches.0.power", {}), "system_under_test.product_switches[0].power"),
        (several(setting("clients", [CLIENT, CLIENT]), without("clients.1.chassis.power")), "system_under_test.clients[1].chassis.power"),
    ],
    "SYS-11": [
        (
            several(SystemTree.cloud, setting("product_switches", [SWITCH])),
            "no place in a cloud; measured a list of 1 values; required no such",
        ),
        (several(SystemTree.cloud, setting("rack_power_supplies", [POWER])), "system_under_test.rack_power_supplies"),
        (
            several(SystemTree.cloud, setting("product_nodes.0.chassis.rack_units", 1)),
            "system_under_test.product_nodes[0].chassis.rack_units",
        ),
        (several(SystemTree.cloud, setting("clients.0.chassis.power", POWER)), "system_under_test.clients[0].chassis.power"),
    ],
    "SYS-12": [
        (setting("total_rack_units", 11), "not those of the nodes and switches together; measured 11; required 10"),
        (setting("total_rack_units", 9.5), "measured 9.5; required 10"),
        (setting("total_rack_units", 42), "required 10; in closed/acme/systems/fastfs.yaml:system_under_test.total_rack_units"),
        (setting("total_rack_units", "ten"), "a field is no number; measured ten; required a number"),
        (setting("product_nodes.0.quantity", 5), "measured 10; required 12"),
        (setting("product_switches.0.unit_count", 1), "measured 10; required 9"),
        (setting("product_nodes.0.quantity", 1e300), "required 2000000000"),
        (several(SystemTree.cloud, setting("total_rack_units", 1)), "measured 1; required 0"),
        (several(without("product_nodes"), without("product_switches")), "measured 10; required 0"),
        (setting("total_rack_units", -1), "required 10"),
    ],
    "SYS-13": [
        (setting(f"{POWER_KEY}.min_psus_active", 3), "more supplies must be active than there are; measured 3; required at most 2"),
        (setting("product_nodes.0.chassis.power.min_psus_active", 3), "product_nodes[0].chassis.power.min_psus_active"),
        (setting("product_switches.0.power.min_psus_active", "3"), "product_switches[0].power.min_psus_active"),
        (setting(f"{POWER_KEY}.psus_configured", []), "required at most 0"),
        (several(setting(f"{POWER_KEY}.psus_configured", [SUPPLY, SUPPLY]), setting(f"{POWER_KEY}.min_psus_active", 5)), "at most 4"),
    ],
    "SYS-14": [
        (without("clients.0.networking"), "a node has no network; required at least 1 port"),
        (setting("clients.0.networking", []), "system_under_test.clients[0].networking"),
        (setting("product_nodes.0.networking", []), "system_under_test.product_nodes[0].networking"),
        (several(setting(LOCATION, "remote_and_local"), without("clients.0.networking")), "has no network"),
    ],
    "SYS-15": [(several(SystemTree.local, setting("product_switches", [SWITCH])), "no place where storage is local")],
    "SYS-16": [
        (without("product_nodes"), "storage is remote and no product node is described; required at least 1 node"),
        (setting("product_nodes", []), "no product node is described; required at least 1"),
        (
            several(without("product_nodes"), setting("clients.0.drives", [DRIVE])),
            "not published; measured storage_location remote, drives in clients",
        ),
        (
            several(without("product_nodes"), setting(LOCATION, "remote_and_local")),
            "not published; measured storage_location remote_and_local;",
        ),
    ],
}
