package infer

import (
	"errors"
	"fmt"
	"strings"

	ort "github.com/yalue/onnxruntime_go"
)

// ErrNoCUDA says that the CUDA provider cannot be had.
var ErrNoCUDA = errors.New("ONNX Runtime's CUDA provider cannot be used")

// FetchCUDACommand fetches ONNX Runtime with its CUDA provider.
const FetchCUDACommand = "make lib-cuda (docs/operations.md)"

// cudaOptions are the provider's: https://onnxruntime.ai/docs/execution-providers/CUDA-ExecutionProvider.html
func cudaOptions() map[string]string {
	return map[string]string{
		"device_id":              "0",
		"cudnn_conv_algo_search": "HEURISTIC",       // the default tries every algorithm anew for each input shape
		"prefer_nhwc":            "1",               // the layout of FP16 tensor cores
		"arena_extend_strategy":  "kNextPowerOfTwo", // right where shapes are few and fixed
	}
}

// appendCUDA adds the CUDA provider. What it lacks is found out before ONNX Runtime tries, which names only the first.
func appendCUDA(opts *ort.SessionOptions, library string) error {
	needs, err := CUDANeeds(library)
	if err != nil {
		return err
	}
	if len(needs.Missing) > 0 {
		return fmt.Errorf("%w: %s; aimsd check says where they were looked for", ErrNoCUDA, needs.lack())
	}
	if err := preload(needs.Found); err != nil {
		return fmt.Errorf("%w: %w", ErrNoCUDA, err)
	}
	cuda, err := ort.NewCUDAProviderOptions()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNoCUDA, brief(err))
	}
	defer cuda.Destroy() //nolint:errcheck // frees memory only
	if err := cuda.Update(cudaOptions()); err != nil {
		return fmt.Errorf("%w: %w", ErrNoCUDA, brief(err))
	}
	if err := opts.AppendExecutionProviderCUDA(cuda); err != nil {
		return fmt.Errorf("%w: %w", ErrNoCUDA, brief(err))
	}
	return nil
}

// brief is an error of ONNX Runtime in one line; of one that CUDA gave, what CUDA said.
func brief(err error) error {
	text := strings.Join(strings.Fields(err.Error()), " ")
	if _, said, ok := strings.Cut(text, "CUDA failure "); ok {
		said, _, _ = strings.Cut(said, " ;")
		return fmt.Errorf("CUDA error %s", said)
	}
	return errors.New(text)
}
