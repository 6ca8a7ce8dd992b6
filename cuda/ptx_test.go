package cuda_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/cuda"
	"github.com/uni-aims/aimsd/cuda/hostemu"
)

// recorder notes the number of arguments that every kernel is launched with.
type recorder struct {
	*hostemu.Machine
	arguments map[string]int
}

func (r *recorder) Launch(kernel string, items int, args ...uint64) error {
	r.arguments[kernel] = len(args)
	return r.Machine.Launch(kernel, items, args...)
}

func ptx(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("kernels/ptx/flow.sm_70.ptx")
	require.NoError(t, err)
	return string(text)
}

func TestEveryKernelIsLaunchedAsThePTXDeclaresIt(t *testing.T) {
	r := &recorder{&hostemu.Machine{}, map[string]int{}}
	defer r.Close()
	f, _ := cuda.Discs(700, 500, 200, 1, 1)
	_, err := (&cuda.Kernels{Params: cuda.DefaultParams(), Machine: r}).Labels(t.Context(), f)
	require.NoError(t, err)
	declared := map[string]int{}
	for _, m := range regexp.MustCompile(`\.visible \.entry (\w+)\(([^)]*)\)`).FindAllStringSubmatch(ptx(t), -1) {
		declared[m[1]] = strings.Count(m[2], ".param")
	}
	require.Equal(t, declared, r.arguments)
}

// Single-precision arithmetic that is rounded once per operation, as on the CPU: a multiplication and an addition
// without .rn may be fused by the driver's compiler.
func TestThePTXRoundsAsTheCPUDoes(t *testing.T) {
	text := ptx(t)
	for _, op := range regexp.MustCompile(`\b(?:add|sub|mul|div|rcp|sqrt|fma|mad|ex2|lg2|rsqrt)\.[a-z0-9.]*f(?:16|32|64)\b`).FindAllString(text, -1) {
		require.Regexp(t, `^(add|sub|mul|div|rcp|sqrt)\.rn\.f32$`, op)
	}
	require.NotContains(t, text, ".ftz")
	require.Contains(t, text, ".target sm_70")
}
