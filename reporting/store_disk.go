package reporting

// FileSystem names the file system that a folder lies on and says whether it is a network share, on which no
// store is opened.
func FileSystem(dir string) (name string, network bool, err error) { return fileSystem(dir) }
