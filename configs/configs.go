// Package configs holds the annotated sample configuration, which is the documentation of every option, and the
// service's unit.
package configs

import _ "embed"

// Sample is configs/aimsd.yaml.
//
//go:embed aimsd.yaml
var Sample []byte

// Unit is configs/aimsd.service, the systemd unit from which `aimsd service install` makes that of a machine.
//
//go:embed aimsd.service
var Unit []byte
