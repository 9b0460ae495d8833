// java Ask.java HTTP|URL_CONNECTION URL FILE...: as the README here says, with Java's own TLS.
import java.io.InputStream;
import java.net.HttpURLConnection;
import java.net.URI;
import java.net.URL;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;

class Ask {
	static final String KEY = "Bearer " + System.getenv("API_KEY");
	static final HttpClient CLIENT = HttpClient.newHttpClient();

	static void withHttpClient(String url, byte[] body) throws Exception {
		HttpRequest request = HttpRequest.newBuilder(URI.create(url))
			.header("Authorization", KEY).header("Content-Type", "application/json")
			.POST(HttpRequest.BodyPublishers.ofByteArray(body)).build();
		HttpResponse<byte[]> answer = CLIENT.send(request, HttpResponse.BodyHandlers.ofByteArray());
		System.out.write(answer.body());
		System.out.println("\nHTTP " + answer.statusCode());
	}

	static void withUrlConnection(String url, byte[] body) throws Exception {
		HttpURLConnection c = (HttpURLConnection) new URL(url).openConnection();
		c.setRequestProperty("Authorization", KEY);
		c.setRequestProperty("Content-Type", "application/json");
		c.setDoOutput(true);
		c.getOutputStream().write(body);
		int status = c.getResponseCode();
		try (InputStream in = status < 400 ? c.getInputStream() : c.getErrorStream()) {
			if (in != null)
				in.transferTo(System.out);
		}
		System.out.println("\nHTTP " + status);
	}

	public static void main(String[] args) throws Exception {
		for (int i = 2; i < args.length; i++) {
			byte[] body = Files.readAllBytes(Path.of(args[i]));
			if (args[0].equals("HTTP"))
				withHttpClient(args[1], body);
			else
				withUrlConnection(args[1], body);
		}
	}
}
