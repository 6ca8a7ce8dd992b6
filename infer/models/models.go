// Package models holds the networks that ship with aimsd, embedded. README.md has a card for each.
package models

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// shipped holds NAME.onnx, NAME-fp16.onnx, NAME-int8.onnx and the scorer NAME.json of every network.
//
//go:embed *.onnx *.json
var shipped embed.FS

// The embedded networks. DefaultName stands for the one that DefaultNetwork names.
const (
	DefaultName    = "default"
	Light          = "light"
	Large          = "large"
	DefaultNetwork = Light
)

// Names returns the embedded networks.
func Names() []string { return []string{Light, Large} }

// version of an embedded network, counted up with every change of its files.
func version(network string) string {
	if network == Large {
		return "4"
	}
	return "2"
}

// Precisions of the network's arithmetic.
const (
	FP32 = "fp32"
	FP16 = "fp16"
	INT8 = "int8"
)

// Network is an ONNX file of one precision.
type Network struct {
	Precision string
	SHA256    string // of the file, lower-case hex
	ONNX      []byte
}

// Model is a network's identity and its forms: one, or one for each precision to choose from.
type Model struct {
	Name, Version string
	Scorer        []byte // JSON: chooses among the candidates of all image scales
	forms         []form
}

// form is an ONNX file that has not been hashed: only the chosen one is.
type form struct {
	precision string
	onnx      []byte
}

// Embedded reports whether name is that of a network inside the program: default or "", light, large, or one
// of these with a precision as in "light-int8".
func Embedded(name string) bool {
	_, _, ok := parse(name)
	return ok
}

// parse splits the name of an embedded network; precision "" is all of them.
func parse(name string) (network, precision string, ok bool) {
	if name == "" {
		name = DefaultName
	}
	network, precision, _ = strings.Cut(name, "-")
	switch precision {
	case "", FP32, FP16, INT8:
	default:
		return "", "", false
	}
	switch network {
	case DefaultName:
		return DefaultNetwork, precision, true
	case Light, Large:
		return network, precision, true
	}
	return "", "", false
}

// Load returns an embedded network for the names that Embedded knows; else it reads the ONNX file called
// name, and the scorer of the same name with .json that lies beside it (without one, the default network's is
// used).
func Load(name string) (Model, error) {
	network, precision, ok := parse(name)
	if !ok {
		return read(name)
	}
	scorer, err := shipped.ReadFile(network + ".json")
	m := Model{Name: network, Version: version(network), Scorer: scorer}
	for _, f := range []struct{ precision, ending string }{{FP32, ".onnx"}, {FP16, "-fp16.onnx"}, {INT8, "-int8.onnx"}} {
		if precision != "" && precision != f.precision || err != nil {
			continue
		}
		var onnx []byte
		onnx, err = shipped.ReadFile(network + f.ending)
		m.forms = append(m.forms, form{f.precision, onnx})
	}
	if err != nil {
		return Model{}, fmt.Errorf("model %q is not part of this program: %w; use \"default\"", name, err)
	}
	return m, nil
}

func read(path string) (Model, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Model{}, fmt.Errorf("model %q: %w; use \"default\", \"light\", \"large\" or the path of an .onnx file", path, err)
	}
	stem := strings.TrimSuffix(path, filepath.Ext(path))
	scorer, err := os.ReadFile(stem + ".json")
	if errors.Is(err, fs.ErrNotExist) {
		scorer, err = shipped.ReadFile(DefaultNetwork + ".json")
	}
	if err != nil {
		return Model{}, fmt.Errorf("model %q: its scorer cannot be read: %w", path, err)
	}
	precision := FP32
	for _, p := range []string{FP16, INT8} {
		if strings.HasSuffix(stem, p) {
			precision = p
		}
	}
	return Model{Name: filepath.Base(stem), Version: "file", Scorer: scorer, forms: []form{{precision, data}}}, nil
}

func (f form) network() Network {
	sum := sha256.Sum256(f.onnx)
	return Network{Precision: f.precision, SHA256: hex.EncodeToString(sum[:]), ONNX: f.onnx}
}

// Form returns the network in the first of the wanted precisions that it has, or in the one it has.
func (m Model) Form(wanted ...string) Network {
	for _, p := range wanted {
		for _, f := range m.forms {
			if f.precision == p {
				return f.network()
			}
		}
	}
	return m.forms[0].network()
}
