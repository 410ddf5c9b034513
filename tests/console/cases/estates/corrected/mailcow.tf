resource "incus_storage_volume" "mailcow_var_lib_docker" {
  name         = "mailcow_var_lib_docker"
  pool         = incus_storage_pool.default.name
  content_type = "block"
  config = {
    "size" = "50GiB"
  }
}

resource "incus_storage_volume" "mailcow_opt" {
  name         = "mailcow_opt"
  pool         = incus_storage_pool.default.name
  content_type = "block"
  config = {
    "size" = "10GiB"
  }
}

resource "incus_instance" "mailcow" {
  name  = "mailcow"
  image = "images:ubuntu/24.04"
  type  = "virtual-machine"

  device {
    name = "eth0"
    type = "nic"
    properties = {
      network        = "incusbr0"
      "ipv4.address" = "10.10.10.214"
    }
  }

  device {
    name = "var_lib_docker"
    type = "disk"
    properties = {
      source = incus_storage_volume.mailcow_var_lib_docker.name
      pool   = incus_storage_pool.default.name
    }
  }

  device {
    name = "opt"
    type = "disk"
    properties = {
      source = incus_storage_volume.mailcow_opt.name
      pool   = incus_storage_pool.default.name
    }
  }
}
