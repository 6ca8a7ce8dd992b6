// Package configs holds the annotated sample configuration, which is the documentation of every option.
package configs

import _ "embed"

// Sample is configs/aimsd.yaml.
//
//go:embed aimsd.yaml
var Sample []byte
