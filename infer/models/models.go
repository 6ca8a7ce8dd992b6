// Package models holds the networks that ship with aimsd, embedded. README.md has a card for each.
package models

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

//go:embed default.onnx
var defaultFP32 []byte

//go:embed default-fp16.onnx
var defaultFP16 []byte

//go:embed default-int8.onnx
var defaultINT8 []byte

//go:embed default.json
var defaultScorer []byte

// DefaultName and DefaultVersion name the embedded network.
const (
	DefaultName    = "default"
	DefaultVersion = "2"
)

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

// Load returns the embedded network for "default" or "", in one precision for "default-fp32", "default-fp16"
// and "default-int8"; else it reads the ONNX file called name, and the scorer of the same name with .json
// that lies beside it (without one, the default network's is used).
func Load(name string) (Model, error) {
	if name == "" {
		name = DefaultName
	}
	m := Model{Name: DefaultName, Version: DefaultVersion, Scorer: defaultScorer}
	for _, f := range []form{{FP32, defaultFP32}, {FP16, defaultFP16}, {INT8, defaultINT8}} {
		if name == DefaultName || name == DefaultName+"-"+f.precision {
			m.forms = append(m.forms, f)
		}
	}
	if len(m.forms) > 0 {
		return m, nil
	}
	return read(name)
}

func read(path string) (Model, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Model{}, fmt.Errorf("model %q: %w; use \"default\" or the path of an .onnx file", path, err)
	}
	stem := strings.TrimSuffix(path, filepath.Ext(path))
	scorer, err := os.ReadFile(stem + ".json")
	if errors.Is(err, fs.ErrNotExist) {
		scorer, err = defaultScorer, nil
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
