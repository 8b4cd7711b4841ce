/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Unicode names to A-labels. The only file that includes libidn2. */
#include "query/idn.h"

#include <idn2.h>
#include <stdlib.h>

#include "base/err.h"

int idn_to_alabel(struct bytes utf8, struct buffer *out)
{
	char *in = xstrndup((const char *)utf8.p, utf8.n), *ascii = NULL;
	int rc = idn2_to_ascii_8z(in, &ascii, IDN2_NONTRANSITIONAL | IDN2_NFC_INPUT);
	if (rc != IDN2_OK)
		rc = idn2_to_ascii_8z(in, &ascii, IDN2_TRANSITIONAL | IDN2_NFC_INPUT);
	free(in);
	if (rc != IDN2_OK)
		return ERR_SYNTAX;
	buffer_put_str(out, ascii);
	idn2_free(ascii);
	return 0;
}
