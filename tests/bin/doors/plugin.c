/* SPDX-License-Identifier: MIT
 *
 * A plugin that makes one call over TLS and prints "HTTP <status> <file of its SSL_write>". It has
 * its libssl by DT_NEEDED, whichever copy the test put there.
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int plugin_call(const char *host, int port, const char *model);

int plugin_call(const char *host, int port, const char *model)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons((uint16_t)port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
	SSL *ssl = tls ? SSL_new(tls) : NULL;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), status = 0, got;
	char body[256], request[1024], answer[4096];
	const void *made_by;
	Dl_info where;

	snprintf(body, sizeof body, "{\"model\":\"%s\",\"messages\":[]}", model);
	snprintf(request, sizeof request,
		 "POST /v1/chat/completions HTTP/1.1\r\nHost: %s\r\n"
		 "Authorization: Bearer sk-test\r\nContent-Type: application/json\r\n"
		 "Content-Length: %zu\r\n\r\n%s",
		 host, strlen(body), body);
	if (!ssl || SSL_CTX_load_verify_locations(tls, getenv("SSL_CERT_FILE"), NULL) != 1)
		return -1;
	SSL_set_verify(ssl, SSL_VERIFY_PEER, NULL);
	if (connect(fd, (struct sockaddr *)&to, sizeof to) || SSL_set_fd(ssl, fd) != 1 ||
	    SSL_set_tlsext_host_name(ssl, host) != 1 || SSL_connect(ssl) != 1 ||
	    SSL_write(ssl, request, (int)strlen(request)) <= 0)
		return -1;
	got = SSL_read(ssl, answer, sizeof answer - 1);
	answer[got > 0 ? got : 0] = '\0';
	sscanf(answer, "HTTP/1.1 %d", &status);
	made_by = SSL_get_ssl_method(ssl);
	printf("HTTP %d %s\n", status,
	       dladdr(made_by, &where) ? strrchr(where.dli_fname, '/') + 1 : "?");
	SSL_free(ssl);
	SSL_CTX_free(tls);
	close(fd);
	return status;
}
