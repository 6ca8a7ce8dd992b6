// Package schema holds the JSON Schemas (2020-12) of the MQTT messages and of result.json.
package schema

import (
	"embed"
	"io/fs"
)

//go:embed *.schema.json
var files embed.FS

// FS holds status, meta, frame, run, event, alert, feedback and result, each as NAME.schema.json.
func FS() fs.FS { return files }
