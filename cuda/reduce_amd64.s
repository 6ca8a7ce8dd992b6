#include "textflag.h"

DATA reduced<>+0(SB)/4, $0x80000000  // sign
DATA reduced<>+4(SB)/4, $0x3fb8aa3b  // 1.44269504
DATA reduced<>+8(SB)/4, $0xc2fc0000  // -126
DATA reduced<>+12(SB)/4, $0x42fc0000 // 126
DATA reduced<>+16(SB)/4, $0x3af84cd3 // the polynomial of sigmoid
DATA reduced<>+20(SB)/4, $0x3c134806
DATA reduced<>+24(SB)/4, $0x3d64ac26
DATA reduced<>+28(SB)/4, $0x3e75e95a
DATA reduced<>+32(SB)/4, $0x3f31727a
DATA reduced<>+36(SB)/4, $0x3f800000 // 1
DATA reduced<>+40(SB)/4, $0x49800000 // 2^20
DATA reduced<>+44(SB)/4, $0xc2800000 // -64
DATA reduced<>+48(SB)/4, $0x42800000 // 64
DATA reduced<>+52(SB)/4, $0x40800000 // 4
DATA reduced<>+56(SB)/4, $0x358637bd // 1e-6
DATA reduced<>+60(SB)/4, $127
GLOBL reduced<>(SB), RODATA|NOPTR, $64

DATA evens<>+0(SB)/8, $0x0000000200000000
DATA evens<>+8(SB)/8, $0x0000000600000004
DATA evens<>+16(SB)/8, $0x0000000a00000008
DATA evens<>+24(SB)/8, $0x0000000e0000000c
DATA evens<>+32(SB)/8, $0x0000001200000010
DATA evens<>+40(SB)/8, $0x0000001600000014
DATA evens<>+48(SB)/8, $0x0000001a00000018
DATA evens<>+56(SB)/8, $0x0000001e0000001c
GLOBL evens<>(SB), RODATA|NOPTR, $64

#define K(i) reduced<>+(4*i)(SB)

// func reduce512(sums *[24]int64, u *vec, dy, dx, logit, size *float32, n int, k float32)
//
// Sixteen px a turn. Sums and products are rounded one by one, as in Go.
TEXT ·reduce512(SB), NOSPLIT, $0-60
	MOVQ sums+0(FP), DI
	MOVQ u+8(FP), R8
	MOVQ dy+16(FP), R9
	MOVQ dx+24(FP), R10
	MOVQ logit+32(FP), R11
	MOVQ size+40(FP), R12
	MOVQ n+48(FP), CX
	VBROADCASTSS k+56(FP), Z31
	VMOVDQU32 evens<>(SB), Z30
	VPBROADCASTD K(9), Z29           // 1.0
	VPTERNLOGD $0xff, Z28, Z28, Z28  // -1
	VPSRLD $31, Z28, Z27
	VPADDD Z27, Z30, Z26             // odds: evens + 1
	VPXORQ Z20, Z20, Z20             // err
	VPXORQ Z21, Z21, Z21             // prob
	VPXORQ Z22, Z22, Z22             // size
	VPXORQ Z23, Z23, Z23             // 0

turn:
	TESTQ CX, CX
	JLE   done
	MOVL  $0xffff, AX
	CMPQ  CX, $16
	JGE   full
	MOVL  $1, AX
	SHLL  CX, AX
	DECL  AX
full:
	KMOVW AX, K7
	MOVL  AX, BX
	KMOVB BX, K5
	SHRL  $8, BX
	KMOVB BX, K6

	VMOVUPS.Z (R11), K7, Z0          // logit
	VXORPS.BCST K(0), Z0, Z1
	VMULPS.BCST K(1), Z1, Z1         // t
	VCMPPS $3, Z1, Z1, K1            // NaN
	VMOVAPS Z23, K1, Z1
	VMAXPS.BCST K(2), Z1, Z1
	VMINPS.BCST K(3), Z1, Z1
	VCVTTPS2DQ Z1, Z2
	VCVTDQ2PS Z2, Z3
	VCMPPS $0x1e, Z1, Z3, K1         // whole > t
	VPADDD Z28, Z2, K1, Z2
	VCVTDQ2PS Z2, Z3
	VSUBPS Z3, Z1, Z3                // r
	VBROADCASTSS K(4), Z4
	VMULPS Z3, Z4, Z4
	VADDPS.BCST K(5), Z4, Z4
	VMULPS Z3, Z4, Z4
	VADDPS.BCST K(6), Z4, Z4
	VMULPS Z3, Z4, Z4
	VADDPS.BCST K(7), Z4, Z4
	VMULPS Z3, Z4, Z4
	VADDPS.BCST K(8), Z4, Z4
	VMULPS Z3, Z4, Z4
	VADDPS Z29, Z4, Z4
	VPADDD.BCST K(15), Z2, Z2
	VPSLLD $23, Z2, Z2
	VMULPS Z2, Z4, Z4
	VADDPS Z29, Z4, Z4
	VDIVPS Z4, Z29, Z4               // sigmoid
	VMULPS.BCST K(10), Z4, Z4
	VCVTTPS2DQ.Z Z4, K7, Z4
	VPMOVSXDQ Y4, Z5
	VPADDQ Z5, Z21, Z21
	VEXTRACTI64X4 $1, Z4, Y4
	VPMOVSXDQ Y4, Z5
	VPADDQ Z5, Z21, Z21

	VMOVUPS.Z (R12), K7, Z1          // size
	VCMPPS $3, Z1, Z1, K1
	VMOVAPS Z23, K1, Z1
	VMAXPS.BCST K(11), Z1, Z1
	VMINPS.BCST K(12), Z1, Z1
	VMULPS.BCST K(10), Z1, Z1
	VCVTTPS2DQ Z1, Z1
	VPMOVSXDQ Y1, Z5
	VPADDQ Z5, Z22, Z22
	VEXTRACTI64X4 $1, Z1, Y1
	VPMOVSXDQ Y1, Z5
	VPADDQ Z5, Z22, Z22

	VMOVUPD.Z (R8), K5, Z6           // u
	VMOVUPD.Z 64(R8), K6, Z7
	VMOVAPS Z6, Z8
	VPERMT2PS Z7, Z30, Z6            // y
	VPERMT2PS Z7, Z26, Z8            // x
	VMULPS Z6, Z6, Z9
	VMULPS Z8, Z8, Z10
	VADDPS Z10, Z9, Z9
	VCMPPS $0x1e, Z23, Z0, K2        // logit > 0
	VCMPPS.BCST $0x1d, K(13), Z9, K2, K2 // and has moved
	KANDW K7, K2, K2
	KORTESTW K2, K2
	JEQ still
	VSQRTPS Z9, Z9
	VADDPS.BCST K(14), Z9, Z9
	VDIVPS Z9, Z29, Z9               // d
	VMOVUPS.Z (R9), K7, Z10
	VMULPS Z31, Z10, Z10
	VMULPS Z9, Z6, Z6
	VSUBPS Z6, Z10, Z10              // ey
	VMOVUPS.Z (R10), K7, Z11
	VMULPS Z31, Z11, Z11
	VMULPS Z9, Z8, Z8
	VSUBPS Z8, Z11, Z11              // ex
	VMULPS Z10, Z10, Z10
	VMULPS Z11, Z11, Z11
	VADDPS Z11, Z10, Z10
	VCMPPS $3, Z10, Z10, K1
	VMOVAPS Z23, K1, Z10
	VMINPS.BCST K(12), Z10, Z10
	VMULPS.BCST K(10), Z10, Z10
	VCVTTPS2DQ.Z Z10, K2, Z10
	VPMOVSXDQ Y10, Z5
	VPADDQ Z5, Z20, Z20
	VEXTRACTI64X4 $1, Z10, Y10
	VPMOVSXDQ Y10, Z5
	VPADDQ Z5, Z20, Z20

still:
	ADDQ $128, R8
	ADDQ $64, R9
	ADDQ $64, R10
	ADDQ $64, R11
	ADDQ $64, R12
	SUBQ $16, CX
	JMP  turn

done:
	VMOVDQU64 Z20, (DI)
	VMOVDQU64 Z21, 64(DI)
	VMOVDQU64 Z22, 128(DI)
	VZEROUPPER
	RET
