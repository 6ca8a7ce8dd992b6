package agent

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/uni-aims/aimsd/infer"
	"github.com/uni-aims/aimsd/infer/models"
)

// The reference is a product of float32 matrices in the network's library on the CPU, whatever runs the network: how
// fast the machine is just then. Figures of other machines and moments are compared by it.
const (
	referenceSide  = 1024
	referenceRuns  = 5
	referenceInput = "image" // names as in the shipped networks
)

// referenceGFLOPS times the reference in float32 operations, 10^9 per second: infer.Channels products of 1024 x 1024
// matrices, each 2 x 1024^3 operations; the median of five runs after one that does not count.
func referenceGFLOPS(ctx context.Context, dir string, threads int) (float64, error) {
	path := filepath.Join(dir, "reference.onnx")
	if err := os.WriteFile(path, referenceONNX(), 0o600); err != nil {
		return 0, fmt.Errorf("reference: %w", err)
	}
	model, err := models.Load(path)
	if err != nil {
		return 0, fmt.Errorf("reference: %w", err)
	}
	session, err := infer.OpenSession(infer.SessionOptions{Provider: "cpu", Model: model, Threads: threads})
	if err != nil {
		return 0, fmt.Errorf("reference: %w", err)
	}
	defer session.Close()
	matrix, out := make([]float32, referenceSide*referenceSide), make([]float32, infer.Channels*referenceSide*referenceSide)
	for i := range matrix {
		matrix[i] = float32(i%13-6) / 64
	}
	var took []float64
	for run := range referenceRuns + 1 {
		start := time.Now()
		if err := session.Predict(ctx, matrix, referenceSide, referenceSide, out); err != nil {
			return 0, fmt.Errorf("reference: %w", err)
		}
		if run > 0 {
			took = append(took, time.Since(start).Seconds())
		}
	}
	slices.Sort(took)
	const operations = infer.Channels * 2.0 * referenceSide * referenceSide * referenceSide
	return operations / took[len(took)/2] / 1e9, nil
}

// referenceONNX is the reference as a network: the image four times, as a stack of matrices, multiplied by itself.
// The numbers are those of the fields in onnx.proto.
func referenceONNX() []byte {
	stacked := []string{referenceInput, referenceInput, referenceInput, referenceInput}
	axis := cat(text(1, "axis"), number(3, 1), number(20, 2)) // AttributeProto: name, i, type INT
	graph := cat(
		message(1, node("Concat", stacked, "stack"), message(5, axis)),
		message(1, node("MatMul", []string{"stack", "stack"}, "field")),
		text(2, "reference"),
		message(11, value(referenceInput, 1)),
		message(12, value("field", infer.Channels)),
	)
	return cat(number(1, 8), message(7, graph), message(8, number(2, 13))) // ModelProto: ir_version, graph, opset
}

// node is a NodeProto: input, output, op_type.
func node(operator string, inputs []string, output string) []byte {
	var b []byte
	for _, in := range inputs {
		b = append(b, text(1, in)...)
	}
	return cat(b, text(2, output), text(4, operator))
}

// value is a ValueInfoProto of float32 [1, channels, side, side].
func value(name string, channels uint64) []byte {
	var shape []byte
	for _, n := range []uint64{1, channels, referenceSide, referenceSide} {
		shape = append(shape, message(1, number(1, n))...)
	}
	return cat(text(1, name), message(2, message(1, number(1, 1), message(2, shape))))
}

func cat(parts ...[]byte) []byte { return slices.Concat(parts...) }

func message(field protowire.Number, parts ...[]byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, field, protowire.BytesType), cat(parts...))
}

func text(field protowire.Number, s string) []byte { return message(field, []byte(s)) }

func number(field protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, field, protowire.VarintType), v)
}
