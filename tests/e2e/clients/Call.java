// SPDX-License-Identifier: MIT
// Java's own HTTP client over Java's own TLS: java Call.java URL FILE...
import java.io.FileInputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

public class Call {
	public static void main(String[] args) throws Exception {
		KeyStore authorities = KeyStore.getInstance(KeyStore.getDefaultType());
		authorities.load(null, null);
		try (FileInputStream file = new FileInputStream(System.getenv("SSL_CERT_FILE"))) {
			authorities.setCertificateEntry("test",
				CertificateFactory.getInstance("X.509").generateCertificate(file));
		}
		TrustManagerFactory trust =
			TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
		trust.init(authorities);
		SSLContext tls = SSLContext.getInstance("TLS");
		tls.init(null, trust.getTrustManagers(), null);
		HttpClient client = HttpClient.newBuilder().sslContext(tls).build();
		for (int i = 1; i < args.length; i++) {
			HttpResponse<String> answer = client.send(
				HttpRequest.newBuilder(URI.create(args[0]))
					.header("Authorization", "Bearer " + System.getenv("API_KEY"))
					.header("Content-Type", "application/json")
					.POST(HttpRequest.BodyPublishers.ofFile(Path.of(args[i]))).build(),
				HttpResponse.BodyHandlers.ofString());
			System.out.print(answer.body() + "\nHTTP " + answer.statusCode() + "\n");
		}
	}
}
