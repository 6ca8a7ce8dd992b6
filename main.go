// Command aimsd analyses electron micrographs beside the instrument.
package main

import (
	"os"

	"github.com/uni-aims/aimsd/agent"
)

func main() {
	os.Exit(agent.Main(os.Args[1:], os.Stdout, os.Stderr))
}
