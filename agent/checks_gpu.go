package agent

import (
	"strings"

	"github.com/uni-aims/aimsd/cuda"
	"github.com/uni-aims/aimsd/infer"
)

// checkGPU says what runs where, and for what runs on the CPU what the GPU lacks.
func checkGPU(a *Analyser, c InferConfig) []finding {
	var out []finding
	if a.Model.Provider == cuda.ProviderCUDA {
		out = append(out, fine("gpu", "the network runs on the GPU, %s", a.Model.Why))
	} else {
		out = append(out, note("gpu", "the network runs on the %s", a.Model.Why))
		if c.Provider != cuda.ProviderCPU {
			out = append(out, lacks(a.session.Library)...)
		}
	}
	switch ran := a.dynamics.ran(); {
	case ran.Provider == cuda.ProviderCUDA:
		out = append(out, fine("kernels", "the dynamics run on the GPU, %s", ran.Why))
	case c.Provider != cuda.ProviderCPU:
		out = append(out, note("kernels", "the dynamics run on the CPU: %s", ran.Why))
	}
	return out
}

// lacks names every library that ONNX Runtime's CUDA provider needs and that is not found, and where it was sought.
func lacks(library string) []finding {
	needs, err := infer.CUDANeeds(library)
	if err != nil || len(needs.Missing) == 0 {
		return nil // no provider, or one that lacks nothing: the line before says what is wrong
	}
	var out []finding
	for _, m := range needs.Missing {
		out = append(out, note("gpu", "%s, which %s needs, is not found: %s", m.Name, m.NeededBy, remedy(m.Name)))
	}
	return append(out, note("gpu", "sought in %s", strings.Join(needs.Searched, ", ")))
}

// remedy says where a library comes from. Packages go into the folder of ONNX Runtime's library: pip install --target.
func remedy(soname string) string {
	stem, _, _ := strings.Cut(soname, ".so")
	packages := map[string]string{
		"libcudart": "nvidia-cuda-runtime-cu12", "libcublas": "nvidia-cublas-cu12", "libcublasLt": "nvidia-cublas-cu12",
		"libcudnn": "nvidia-cudnn-cu12", "libcufft": "nvidia-cufft-cu12", "libcurand": "nvidia-curand-cu12",
	}
	switch {
	case stem == "libcuda":
		return "install NVIDIA's driver, 525 or newer"
	case packages[stem] != "":
		return "install CUDA 12 and cuDNN 9, or the Python package " + packages[stem] + " into the folder of ONNX Runtime (docs/operations.md)"
	}
	return "install the package of this system that has it"
}
