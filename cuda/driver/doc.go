// Package driver opens the CUDA driver when there is one. With build tag cuda it defines the functions that
// gorgonia.org/cu refers to (functions.h) as jumps into a libcuda.so.1 loaded at run time, and so makes one
// program for machines with and without a GPU; libcuda.a is an empty archive that satisfies cu's -lcuda.
// Without the tag the package is empty.
package driver
