#include "textflag.h"

DATA lanes<>+0(SB)/4, $0x00000000
DATA lanes<>+4(SB)/4, $0x00000000
DATA lanes<>+8(SB)/4, $0x00000000
DATA lanes<>+12(SB)/4, $0x3f800000
DATA lanes<>+16(SB)/4, $0x00000000
DATA lanes<>+20(SB)/4, $0x40000000
DATA lanes<>+24(SB)/4, $0x00000000
DATA lanes<>+28(SB)/4, $0x40400000
DATA lanes<>+32(SB)/4, $0x00000000
DATA lanes<>+36(SB)/4, $0x40800000
DATA lanes<>+40(SB)/4, $0x00000000
DATA lanes<>+44(SB)/4, $0x40a00000
DATA lanes<>+48(SB)/4, $0x00000000
DATA lanes<>+52(SB)/4, $0x40c00000
DATA lanes<>+56(SB)/4, $0x00000000
DATA lanes<>+60(SB)/4, $0x40e00000
GLOBL lanes<>(SB), RODATA|NOPTR, $64

// func square512(dst, row, u *vec, n, w, skip int, y, x, lo, hy, hx float32) int
//
// Eight px a turn, (y, x) of each side by side in a register. Sums and products are rounded one by one, as in Go.
TEXT ·square512(SB), NOSPLIT, $0-80
	MOVQ dst+0(FP), DI
	MOVQ row+8(FP), SI
	MOVQ u+16(FP), R8
	MOVQ n+24(FP), CX
	MOVQ w+32(FP), R9

	// Z0: positions of the eight px, Z1: step to the next eight, Z2: first position outside
	VMOVSS       y+48(FP), X3
	VMOVSS       x+52(FP), X4
	VUNPCKLPS    X4, X3, X3
	VBROADCASTSD X3, Z3
	VADDPS       lanes<>(SB), Z3, Z0
	MOVL         $0x41000000, AX
	SHLQ         $32, AX
	VPBROADCASTQ AX, Z1
	VMOVSS       hy+60(FP), X3
	VMOVSS       hx+64(FP), X4
	VUNPCKLPS    X4, X3, X3
	VBROADCASTSD X3, Z2
	VMOVSS       lo+56(FP), X3
	VXORPS       X4, X4, X4
	VUNPCKLPS    X4, X3, X3
	VBROADCASTSD X3, Z5            // first position inside
	MOVQ         skip+40(FP), AX
	VPBROADCASTQ AX, Z15
	MOVL         $0x3f800000, AX
	VPBROADCASTD AX, Z6            // 1
	VPBROADCASTQ R9, Z7            // w
	LEAQ         (R8)(R9*8), R10   // the row below
	XORQ         BX, BX

turn:
	CMPQ CX, $8
	JLT  done

	VMOVUPS (SI), Z8               // v
	VADDPS  Z0, Z8, Z9             // where it leads
	VCMPPS  $0x1d, Z5, Z9, K1      // >= lo, 0; false for NaN
	VCMPPS  $0x11, Z2, Z9, K2      // < h-1, w-1
	KANDW   K1, K2, K1
	KORTESTW K1, K1
	JCC     done                   // not all 16

	VCVTTPS2DQ Z9, Z10             // iy, ix
	VCVTDQ2PS  Z10, Z11
	VSUBPS     Z11, Z9, Z11        // p, q
	VPMULUDQ   Z7, Z10, Z12        // iy*w
	VPSRLQ     $32, Z10, Z13       // ix
	VPADDQ     Z13, Z12, Z12
	VPSUBQ     Z15, Z12, Z12       // px from u on

	KXNORB     K3, K3, K3
	KXNORB     K4, K4, K4
	KXNORB     K5, K5, K5
	KXNORB     K6, K6, K6
	VPXORQ     Z16, Z16, Z16
	VPXORQ     Z17, Z17, Z17
	VPXORQ     Z18, Z18, Z18
	VPXORQ     Z19, Z19, Z19
	VPGATHERQQ (R8)(Z12*8), K3, Z16
	VPGATHERQQ 8(R8)(Z12*8), K4, Z17
	VPGATHERQQ (R10)(Z12*8), K5, Z18
	VPGATHERQQ 8(R10)(Z12*8), K6, Z19

	VMOVSLDUP Z11, Z13             // p
	VMOVSHDUP Z11, Z14             // q
	VSUBPS    Z13, Z6, Z20         // 1-p
	VSUBPS    Z14, Z6, Z21         // 1-q
	VMULPS    Z21, Z20, Z22        // (1-p)(1-q)
	VMULPS    Z14, Z20, Z23        // (1-p)q
	VMULPS    Z21, Z13, Z24        // p(1-q)
	VMULPS    Z14, Z13, Z25        // pq
	VMULPS    Z22, Z16, Z16
	VMULPS    Z23, Z17, Z17
	VMULPS    Z24, Z18, Z18
	VMULPS    Z25, Z19, Z19
	VADDPS    Z17, Z16, Z16
	VADDPS    Z18, Z16, Z16
	VADDPS    Z19, Z16, Z16
	VADDPS    Z16, Z8, Z16
	VMOVUPS   Z16, (DI)

	VADDPS Z1, Z0, Z0
	ADDQ   $64, SI
	ADDQ   $64, DI
	ADDQ   $8, BX
	SUBQ   $8, CX
	JMP    turn

done:
	VZEROUPPER
	MOVQ BX, ret+72(FP)
	RET
