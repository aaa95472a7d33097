import java.net.HttpURLConnection;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;

import com.sun.net.httpserver.HttpServer;

/** An application to trace: a request every second, which the library of ddtrace makes a span of. */
public class App {
    public static void main(String[] arguments) throws Exception {
        HttpServer server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 8080), 0);
        server.createContext("/", exchange -> {
            exchange.sendResponseHeaders(204, -1);
            exchange.close();
        });
        server.start();
        while (true) {
            var connection = (HttpURLConnection) URI.create("http://localhost:8080/").toURL().openConnection();
            System.out.println("status " + connection.getResponseCode());
            connection.disconnect();
            Thread.sleep(1000);
        }
    }
}
