//go:build amd64

package infer

const x86 = true
