package infer

import (
	"golang.org/x/sys/cpu"

	"github.com/uni-aims/aimsd/infer/models"
)

// form chooses the precision for a provider, and says why.
func form(m models.Model, provider string) (models.Network, string) {
	if provider == "cuda" {
		n := m.Form(models.FP16)
		return n, n.Precision + " on the GPU"
	}
	if !exactINT8() {
		n := m.Form(models.FP32)
		return n, n.Precision + ": this processor has no VNNI instructions, without which int8 sums overflow"
	}
	n := m.Form(models.INT8, models.FP32)
	if n.Precision == models.INT8 {
		return n, "int8: this processor has VNNI instructions"
	}
	return n, n.Precision + " as the model file has it"
}

// exactINT8 says whether products of 8-bit integers are summed in 32 bits. Before VNNI, x86 sums pairs in
// 16 bits, which saturate.
func exactINT8() bool { return !x86 || cpu.X86.HasAVX512VNNI || cpu.X86.HasAVXVNNI }
