"""Descriptions that each rule on a block passes and that it fails: the valid one, changed in one place."""

from system_tree import CLIENT, DRIVE, NODE, PORT, POWER, SWITCH, SystemTree, all_passing, setting, several, without

from pytest_mlpstorage.results.records import SystemDescription

SUBJECT = SystemDescription
write = SystemTree.write

NODE_KEY = "product_nodes.0"
CLIENT_KEY = "clients.0"
PORT_KEY = "clients.0.networking.0"
DRIVE_KEY = "product_nodes.0.drives.0"
SWITCH_KEY = "product_switches.0"
POWER_KEY = "clients.0.chassis.power"
SUPPLY_KEY = f"{POWER_KEY}.psus_configured.0"
SIMULTANEOUS = "solution.capabilities.simultaneous_write"
REMAP = "solution.capabilities.remap_time_in_seconds"
LOCATION = "solution.architecture.storage_location"

PASSING = {
    "MLPS-DRAFT-1": all_passing(
        setting("solution.friendly_description", "a solution <fill in>"),
        setting("solution.friendly_description", "fill in"),
        setting("solution.friendly_description", 3),
        lambda t: t.text("[1"),
    ),
    "SYS-01": all_passing(lambda t: t.edit(lambda d: d.update(note="more")), lambda t: t.edit(lambda d: d.update({True: 1}))),
    "SYS-02": all_passing(setting("solution.submission_name", "x"), setting("solution.submission_name", 300)),
    "SYS-03": all_passing(
        *(setting(LOCATION, word) for word in ("remote_and_local",)),
        *(setting("solution.architecture.benchmark_API", word) for word in ("file", "object")),
        *(setting("solution.architecture.product_API", word) for word in ("object", "block")),
        *(setting("solution.architecture.client_footprint", word) for word in ("closed_source", "n/a")),
        *(setting("solution.architecture.client_installation", word) for word in ("installable", "n/a")),
    ),
    "SYS-05": all_passing(
        setting("solution.capabilities.multi_host", "False"),
        setting(REMAP, "0"),
        setting(REMAP, 90.0),
        lambda t: t.text(t.path.read_text().replace("remap_time_in_seconds: 0", "remap_time_in_seconds: !!int '0'")),
    ),
    "SYS-07": all_passing(
        setting("solution.usable_capacity_tib", 1),
        setting("solution.usable_capacity_tib", "1.25"),
        setting("solution.int_client_store_tib", "0.5"),
    ),
    "SYS-08": all_passing(*(setting("solution.availability", word) for word in ("preview", "RDI"))),
    "SYS-09": all_passing(lambda t: t.set("clients", [CLIENT, CLIENT])),
    "SYS-17": all_passing(
        *(setting(f"{CLIENT_KEY}.{key}", "1") for key in ("quantity", "chassis.cpu_qty", "chassis.cpu_cores", "chassis.memory_capacity")),
        *(setting(f"{NODE_KEY}.{key}", 1) for key in ("quantity", "chassis.cpu_qty", "chassis.cpu_cores", "chassis.rack_units")),
        setting(f"{CLIENT_KEY}.operating_system.version", 24.04),
        without(f"{CLIENT_KEY}.sysctl"),
        without(f"{CLIENT_KEY}.environment"),
        setting(f"{CLIENT_KEY}.sysctl", []),
        setting(f"{CLIENT_KEY}.sysctl.0.value", True),
        setting(f"{CLIENT_KEY}.friendly_description", "x"),
    ),
    "SYS-18": all_passing(
        setting(f"{CLIENT_KEY}.networking", [{"type": "infiniband", "state": "down", "unit_count": "4"}]),
        setting(f"{CLIENT_KEY}.networking", [{**PORT, "state": "down", "speed": -1, "traffic": "none"}]),
        setting(f"{PORT_KEY}.speed", "1"),
        setting(f"{PORT_KEY}.type", "other"),
        setting(f"{PORT_KEY}.traffic", ["backend"]),
        setting(f"{PORT_KEY}.traffic", ["metadata", "data"]),
        without(f"{CLIENT_KEY}.networking"),
    ),
    "SYS-19": all_passing(
        setting(f"{DRIVE_KEY}.colour", "red"),
        setting(f"{DRIVE_KEY}.performance.colour", "red"),
        setting(f"{DRIVE_KEY}.performance.interface_speed", ["any"]),
        without(f"{DRIVE_KEY}.performance"),
        setting(f"{DRIVE_KEY}.performance", {}),
        setting(f"{DRIVE_KEY}.capacity_in_GB", 1),
        setting(f"{DRIVE_KEY}.vendor_name", ""),
        *(setting(f"{DRIVE_KEY}.interface", word) for word in ("sas", "sata", "other")),
        *(setting(f"{DRIVE_KEY}.media_type", word) for word in ("HDD", "QLC", "other")),
        *(
            setting(f"{DRIVE_KEY}.performance.form_factor", word)
            for word in ("U.2", "U.3", "M.2", "E1.S", "E1.L", "E3.L", "2.5in", "3.5in", "AIC", "other")
        ),
    ),
    "SYS-20": all_passing(
        *(setting(f"{SWITCH_KEY}.{key}", "1") for key in ("unit_count", "ports", "rack_units")),
        setting(f"{SWITCH_KEY}.configuration", {"any": ["thing"]}),
        setting(f"{SWITCH_KEY}.configuration", "plain"),
        without(f"{SWITCH_KEY}.power"),
    ),
    "SYS-21": all_passing(
        setting(f"{SUPPLY_KEY}.inlet_voltage", 0.5),
        setting(f"{SUPPLY_KEY}.nameplate_power_watts", 1),
        setting(f"{SUPPLY_KEY}.unit_count", "1"),
        setting(f"{POWER_KEY}.min_psus_active", 1),
        *(setting(f"{SUPPLY_KEY}.efficiency", word) for word in ("Standard", "Bronze", "Silver", "Gold", "Platinum", "Ruby", "Unrated")),
    ),
}

FAILING = {
    "MLPS-DRAFT-1": [
        (
            setting("solution.friendly_description", "<fill in: a text>"),
            "[MLPS-DRAFT-1] the description is a draft: fields are still to be filled in: system_under_test.solution.friendly_description; measured 1 values <fill in …>; required a value for each; in closed/acme/systems/fastfs.yaml:system_under_test.solution.friendly_description",
        ),
        (setting("solution.friendly_description", " <Fill in: a text>"), "is a draft"),
        (setting(f"{PORT_KEY}.traffic", ["data", "<fill in: one or more>"]), "system_under_test.clients[0].networking[0].traffic[1]"),
        (
            setting(f"{CLIENT_KEY}.sysctl", [{"name": "<fill in>", "value": "<fill in>"}] * 3),
            "system_under_test.clients[0].sysctl[2].name and 1 more; measured 6 values",
        ),
    ],
    "SYS-01": [
        (lambda t: t.text("a: [1"), "is no YAML"),
        (lambda t: t.text("a: 1\n---\nb: 2\n"), "is no YAML"),
        (lambda t: t.text("a: !!python/object:os.x {}\n"), "is no YAML"),
        (lambda t: t.text(""), "is empty"),
        (lambda t: t.text("[1, 2]"), "no mapping at its top level; measured a list of 2 values"),
        (lambda t: t.text("fast"), "no mapping at its top level"),
        (lambda t: t.text("system_under_tset: {}"), "has no system_under_test; did you mean 'system_under_tset'?"),
        (lambda t: t.text("0x" + "f" * 5000), "is no YAML"),
        (lambda t: t.text("0xff: 1"), "has no system_under_test"),
        (lambda t: t.text("system_under_test:\n"), "has no system_under_test"),
        (lambda t: t.text("system_under_test: [1]"), "is no mapping; measured a list of 1 values; required a mapping"),
        (
            setting("storage_servers", []),
            "no such field; measured storage_servers; in closed/acme/systems/fastfs.yaml:system_under_test.storage_servers",
        ),
        (setting("product_node", []), "no such field"),
        (several(without("deployment"), setting("deploymnt", "onprem")), "did you mean 'deployment'?"),
        (lambda t: t.edit(lambda d: d["system_under_test"].update({True: 1})), "no such field; measured"),
    ],
    "SYS-02": [
        (setting("solution.submission_name", ""), "a field is empty"),
        (setting("solution.submission_name", "   "), "a field is empty"),
        (setting("solution.friendly_description", [1]), "a field is no text"),
        (setting("solution.friendly_description", {}), "a field is no text"),
        (without("solution.submission_name"), "system_under_test.solution.submission_name"),
        (without("solution.friendly_description"), "a field is not there; required a text that is not empty"),
        (without("solution"), "a block is not there; required a mapping; in closed/acme/systems/fastfs.yaml:system_under_test.solution"),
        (setting("solution", 5), "a block is no mapping; measured 5"),
        (setting("solution.submission_nam", "x"), "no such field"),
        (several(without("solution.submission_name"), setting("solution.submission_nam", "x")), "did you mean 'submission_name'?"),
    ],
    "SYS-03": [
        (setting(LOCATION, "Remote"), "did you mean 'remote'?; measured Remote; required one of remote, local, remote_and_local"),
        (setting("solution.architecture.benchmark_API", "block"), "none of the words"),
        (setting("solution.architecture.product_API", "posix"), "required one of file, object, block"),
        (setting("solution.architecture.client_footprint", "open"), "none of the words"),
        (setting("solution.architecture.client_installation", "inbox"), "did you mean 'in_box'?"),
        (setting("solution.architecture.client_installation", ["in_box"]), "measured a list of 1 values"),
        (without("solution.architecture.client_installation"), "a field is not there"),
        (without("solution.architecture"), "a block is not there"),
        (setting("solution.architecture.api", "file"), "no such field"),
    ],
    "SYS-05": [
        *((setting(f"solution.capabilities.{key}", "yes"), "neither true nor false") for key in ("multi_host", "simultaneous_read")),
        (setting(SIMULTANEOUS, 1), "neither true nor false; measured 1; required true or false"),
        (setting(REMAP, -1), "a number is too small; measured -1; required a whole number of at least 0 s"),
        (setting(REMAP, 0.5), "no whole number"),
        (setting(REMAP, True), "no whole number"),
        (setting(REMAP, [0]), "no whole number"),
        (without(REMAP), "a field is not there"),
        (without("solution.capabilities.multi_host"), "a field is not there"),
        (without("solution.capabilities"), "a block is not there"),
        (setting("solution.capabilities.remap_time", 0), "no such field"),
    ],
    "SYS-07": [
        (setting("solution.usable_capacity_tib", 0.999), "a number is too small; measured 0.999; required a number of at least 1 TiB"),
        (setting("solution.usable_capacity_tib", "447 TiB"), "a field is no number"),
        (setting("solution.usable_capacity_tib", float("nan")), "a field is no number"),
        (setting("solution.usable_capacity_tib", float("inf")), "a field is no number"),
        (without("solution.usable_capacity_tib"), "a field is not there"),
        (setting("solution.int_client_store_tib", "much"), "a field is no number; measured much; required a number in TiB"),
    ],
    "SYS-08": [
        (setting("solution.availability", "rdi"), "did you mean 'RDI'?"),
        (setting("solution.availability", "Available"), "did you mean 'available'?"),
        (without("solution.availability"), "a field is not there; required one of available, preview, RDI"),
    ],
    "SYS-09": [
        (setting("deployment", "on-prem"), "did you mean 'onprem'?"),
        (without("deployment"), "a field is not there"),
        (without("clients"), "a list is not there; required a list"),
        (setting("clients", CLIENT), "a field is no list; measured an object"),
        (setting("clients", "many"), "a field is no list; measured many"),
        (setting("clients", []), "no client is described; whether the schema allows that is not published; measured 0"),
    ],
    "SYS-17": [
        *(
            (setting(f"{CLIENT_KEY}.{key}", 0), "too small")
            for key in ("quantity", "chassis.cpu_qty", "chassis.cpu_cores", "chassis.memory_capacity")
        ),
        *(
            (without(f"{NODE_KEY}.{key}"), f"product_nodes[0].{key}")
            for key in ("quantity", "chassis", "operating_system", "friendly_description")
        ),
        *((without(f"{NODE_KEY}.chassis.{key}"), key) for key in ("model_name", "cpu_model", "cpu_qty", "cpu_cores", "memory_capacity")),
        *((setting(f"{CLIENT_KEY}.{key}", ""), "is empty") for key in ("friendly_description", "chassis.model_name", "chassis.cpu_model")),
        *((setting(f"{CLIENT_KEY}.operating_system.{key}", ""), "is empty") for key in ("name", "version")),
        *((setting(f"{CLIENT_KEY}.sysctl.0.{key}", ""), f"clients[0].sysctl[0].{key}") for key in ("name", "value")),
        *((setting(f"{CLIENT_KEY}.environment.0.{key}", None), f"clients[0].environment[0].{key}") for key in ("name", "value")),
        (setting(f"{CLIENT_KEY}.environment", {"A": 1}), "a field is no list"),
        (setting(f"{CLIENT_KEY}.chassis.memory_capacity", 1.5), "no whole number; measured 1.5; required a whole number of at least 1 GiB"),
        (setting(f"{CLIENT_KEY}.chassis.rack_units", 0), "a number is too small"),
        (setting(f"{CLIENT_KEY}.chassis.cpu_quantity", 2), "no such field"),
        (setting(f"{CLIENT_KEY}.hostname", "c1"), "no such field"),
        (setting(f"{CLIENT_KEY}.operating_system.kernel", "6"), "no such field"),
        (setting(f"{CLIENT_KEY}.sysctl.0.unit", "s"), "no such field"),
        (
            setting("clients", [CLIENT, 5]),
            "a block is no mapping; measured 5; required a mapping; in closed/acme/systems/fastfs.yaml:system_under_test.clients[1]",
        ),
        (setting("product_nodes", NODE), "a field is no list"),
        (setting("clients", [None] * 200), "more than 100 fields are wrong"),
    ],
    "SYS-18": [
        (without(f"{PORT_KEY}.state"), "clients[0].networking[0].state"),
        (without(f"{PORT_KEY}.type"), "clients[0].networking[0].type"),
        (without(f"{PORT_KEY}.speed"), "clients[0].networking[0].speed"),
        (without(f"{PORT_KEY}.traffic"), "a list of at least 1 of management, data, metadata, backend"),
        (without(f"{PORT_KEY}.unit_count"), "unit_count"),
        (setting(f"{PORT_KEY}.unit_count", 0), "too small"),
        (setting(f"{PORT_KEY}.speed", 0), "required a whole number of at least 1 Gb/s"),
        (setting(f"{PORT_KEY}.speed", "400G"), "no whole number"),
        (setting(f"{PORT_KEY}.state", "UP"), "did you mean 'up'?"),
        (setting(f"{PORT_KEY}.type", "eth"), "none of the words"),
        (setting(f"{PORT_KEY}.traffic", []), "too few entries"),
        (setting(f"{PORT_KEY}.traffic", "data"), "a field is no list"),
        (setting(f"{PORT_KEY}.traffic", ["data", "dat"]), "an entry is none of the words that the schema has; did you mean 'data'?"),
        (setting(f"{PORT_KEY}.traffic", [["data"]]), "an entry is none of the words"),
        (setting(f"{PORT_KEY}.mtu", 9000), "no such field"),
        (setting(f"{CLIENT_KEY}.networking", PORT), "a field is no list"),
        (setting(f"{CLIENT_KEY}.networking", ["eth0"]), "a block is no mapping"),
    ],
    "SYS-19": [
        *(
            (without(f"{DRIVE_KEY}.{key}"), key)
            for key in ("unit_count", "vendor_name", "model_name", "interface", "media_type", "capacity_in_GB")
        ),
        *((setting(f"{DRIVE_KEY}.{key}", 0), "too small") for key in ("unit_count", "capacity_in_GB", "performance.seq_read_MBps")),
        *(
            (setting(f"{DRIVE_KEY}.performance.{key}", 0.5), "too small")
            for key in ("seq_write_MBps", "random_read_IOPS", "random_write_IOPS")
        ),
        (setting(f"{DRIVE_KEY}.interface", "NVMe"), "did you mean 'nvme'?"),
        (setting(f"{DRIVE_KEY}.media_type", "tlc"), "did you mean 'TLC'?"),
        (setting(f"{DRIVE_KEY}.performance.form_factor", "E3S"), "did you mean 'E3.S'"),
        (setting(f"{DRIVE_KEY}.vendor_name", ["Acme"]), "a field is no text; measured a list of 1 values; required a text"),
        (setting(f"{DRIVE_KEY}.performance", 5), "a block is no mapping"),
        (setting(f"{NODE_KEY}.drives", DRIVE), "a field is no list"),
        (setting(f"{NODE_KEY}.drives", [DRIVE, 5]), "product_nodes[0].drives[1]"),
    ],
    "SYS-20": [
        *((without(f"{SWITCH_KEY}.{key}"), key) for key in ("unit_count", "vendor_name", "model_name", "ports", "rack_units")),
        *((setting(f"{SWITCH_KEY}.{key}", 0), "too small") for key in ("unit_count", "ports", "rack_units")),
        (setting(f"{SWITCH_KEY}.speed", 400), "no such field"),
        (setting("product_switches", SWITCH), "a field is no list"),
        (setting("product_switches", [5]), "product_switches[0]"),
    ],
    "SYS-21": [
        *((without(f"{SUPPLY_KEY}.{key}"), key) for key in ("unit_count", "inlet_voltage", "nameplate_power_watts", "efficiency")),
        *((setting(f"{SUPPLY_KEY}.{key}", 0), "too small") for key in ("unit_count", "inlet_voltage", "nameplate_power_watts")),
        (setting(f"{SUPPLY_KEY}.inlet_voltage", 0), "required a number above 0 V"),
        (setting(f"{SUPPLY_KEY}.inlet_voltage", -1), "too small"),
        (setting(f"{SUPPLY_KEY}.efficiency", "gold"), "did you mean 'Gold'?"),
        (setting(f"{SUPPLY_KEY}.colour", "red"), "no such field"),
        (setting(f"{POWER_KEY}.min_psus_active", 0), "too small"),
        (without(f"{POWER_KEY}.min_psus_active"), "a field is not there"),
        (without(f"{POWER_KEY}.psus_configured"), "a list is not there"),
        (setting(f"{POWER_KEY}.psus_configured", []), "a list has too few entries; measured 0; required at least 1"),
        (setting(f"{POWER_KEY}.redundant", True), "no such field"),
        (setting(POWER_KEY, 500), "a block is no mapping"),
        (setting(f"{SWITCH_KEY}.power", [POWER]), "a block is no mapping; measured a list of 1 values"),
        (setting("rack_power_supplies", [POWER]), "is not published; they were not judged; measured a list of 1 values"),
    ],
}
