/* SPDX-License-Identifier: MIT
 *
 * Writes a ClientHello that nobody's TLS library has made to its standard output, as TLS records,
 * or as QUIC datagrams of 1200 bytes each.
 *
 * usage: make-hello tls NAME                (NAME may be empty: no server name)
 *        make-hello quic NAME [DATAGRAMS]
 */
#include <stdio.h>
#include <stdlib.h>

#include "quic_kit.h"

#define DATAGRAM_BYTES 1200

static struct buf hello_for(const char *name)
{
	struct buf x = {0};

	if (name[0])
		kit_put_extension(&x, 0, kit_server_name(0, bytes_str(name)));
	kit_put_extension(&x, 51, kit_bytes(BYTES("some share of a key that makes it longer")));
	return kit_hello(x);
}

static void put_out(struct bytes data)
{
	if (fwrite(data.at, 1, data.len, stdout) != data.len)
		exit(3);
}

/* The first half of the hello is in the last datagram, as Chromium mixes them. */
static void put_datagrams(struct bytes hello, unsigned count)
{
	static const uint8_t cid[8] = {1, 2, 3, 4, 5, 6, 7, 8};
	size_t part = hello.len / count + 1;

	for (unsigned i = 0; i < count; i++) {
		struct kit_initial packet = {
			.version = QUIC_V1, .cid = bytes_of(cid, sizeof cid), .number = i};
		struct buf frames = {0}, datagram = {0};
		kit_put_crypto(&frames, hello, (count - 1 - i) * part, part);
		while (frames.len < DATAGRAM_BYTES - 60)
			kit_put(&frames, 0, 1); /* PADDING */
		kit_put_initial(&datagram, packet, buf_view(&frames));
		while (datagram.len < DATAGRAM_BYTES)
			kit_put(&datagram, 0, 1);
		put_out(buf_view(&datagram));
		buf_done(&frames);
		buf_done(&datagram);
	}
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	struct buf hello = hello_for(argv[2]);
	if (strcmp(argv[1], "quic") == 0) {
		put_datagrams(buf_view(&hello), argc > 3 ? (unsigned)atoi(argv[3]) : 1);
	} else {
		struct buf record = {0};
		kit_put(&record, 0x160301, 3);
		kit_put(&record, hello.len, 2);
		put_out(buf_view(&record));
		put_out(buf_view(&hello));
		buf_done(&record);
	}
	buf_done(&hello);
	return 0;
}
