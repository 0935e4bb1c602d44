package bank

import "strconv"

// maxDigits is the number of digits of MaxPaise.
const maxDigits = 14

// parsePaise converts a number of rupees, given as JSON writes it, to paise: exactly, from its decimal digits, rounded half
// away from zero. It returns false if the result is beyond MaxPaise in either direction.
func parsePaise(number []byte) (Paise, bool) {
	negative := number[0] == '-'
	if negative {
		number = number[1:]
	}
	mantissa, exponent := splitExponent(number)

	// The value in paise is 0.DDDD… × 10^point, the first D not being zero.
	point, digits := exponent+2, make([]byte, 0, 32)
	inFraction := false
	for _, c := range mantissa {
		if c == '.' {
			inFraction = true
			continue
		}
		if c == '0' && len(digits) == 0 {
			if inFraction {
				point--
			}
			continue
		}
		if !inFraction {
			point++
		}
		digits = append(digits, c)
	}
	if len(digits) == 0 || point < 0 {
		return 0, true
	}
	if point > maxDigits {
		return 0, false
	}
	var p Paise
	for i := range point {
		p *= 10
		if i < len(digits) {
			p += Paise(digits[i] - '0')
		}
	}
	if point < len(digits) && digits[point] >= '5' {
		p++
	}
	if p > MaxPaise {
		return 0, false
	}
	if negative {
		p = -p
	}
	return p, true
}

// splitExponent cuts a number at its e. An exponent too large for any record to compensate by its zeros is held at a bound.
func splitExponent(number []byte) (mantissa []byte, exponent int) {
	const bound = 1 << 40
	for i, c := range number {
		if c != 'e' && c != 'E' {
			continue
		}
		sign := 1
		for _, d := range number[i+1:] {
			switch d {
			case '+':
			case '-':
				sign = -1
			default:
				exponent = min(exponent*10+int(d-'0'), bound)
			}
		}
		return number[:i], sign * exponent
	}
	return number, 0
}

// AppendRupees appends p in rupees as a JSON number with no more digits than it needs: 25, 27999.5, -0.05.
func AppendRupees(dst []byte, p Paise) []byte {
	if p < 0 {
		dst = append(dst, '-')
		p = -p
	}
	dst = strconv.AppendInt(dst, int64(p/100), 10)
	if cents := byte(p % 100); cents != 0 {
		dst = append(dst, '.', '0'+cents/10)
		if cents%10 != 0 {
			dst = append(dst, '0'+cents%10)
		}
	}
	return dst
}
