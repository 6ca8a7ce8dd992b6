// Package models holds the networks that ship with aimsd, embedded. README.md has a card for each.
package models

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

//go:embed default.onnx
var defaultONNX []byte

// DefaultName and DefaultVersion name the embedded network.
const (
	DefaultName    = "default"
	DefaultVersion = "1"
)

// Model is a network's file and identity.
type Model struct {
	Name, Version string
	SHA256        string // of the file, lower-case hex
	ONNX          []byte
}

// Load returns the embedded network for "default" or "", else reads the ONNX file called name.
func Load(name string) (Model, error) {
	if name == "" || name == DefaultName {
		return Model{Name: DefaultName, Version: DefaultVersion, SHA256: sum(defaultONNX), ONNX: defaultONNX}, nil
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return Model{}, fmt.Errorf("model %q: %w; use \"default\" or the path of an .onnx file", name, err)
	}
	base := filepath.Base(name)
	return Model{Name: strings.TrimSuffix(base, filepath.Ext(base)), Version: "file", SHA256: sum(data), ONNX: data}, nil
}

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}
