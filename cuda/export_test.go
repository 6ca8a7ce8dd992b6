package cuda

// For tests outside the package, which may import hostemu.
var (
	Reference    = reference
	Discs        = discs
	OpenDeviceOn = openDevice
	OpenGPU      = openGPU
)

// GPU is what a Device runs on.
type GPU = gpu
