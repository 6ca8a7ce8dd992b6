//go:build cuda && !(linux && amd64)

package cuda

// cuda/driver's jumps are written for linux/amd64. On anything else the build with tag cuda ends here.
var _ = build_tag_cuda_is_for_linux_amd64_only
