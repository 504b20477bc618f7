import MilvusWire
import Testing

@Suite struct EndpointParsingTests {
  @Test(arguments: [
    ("http://localhost:19530", "localhost", 19530, false),
    ("https://localhost:19530", "localhost", 19530, true),
    ("HTTPS://Example.com:1", "Example.com", 1, true),
    ("localhost:19531", "localhost", 19531, false),
    ("10.0.0.7", "10.0.0.7", 19530, false),
    ("http://milvus.svc.cluster.local/", "milvus.svc.cluster.local", 19530, false),
    ("https://in03-abc.serverless.example.com", "in03-abc.serverless.example.com", 443, true),
    ("tcp://h:5", "h", 5, false),
    ("grpc://my_host:65535", "my_host", 65535, false),
    ("[::1]:19530", "::1", 19530, false),
    ("http://[fe80::1%eth0]:7", "fe80::1%eth0", 7, false),
    ("https://[2001:db8::7]", "2001:db8::7", 443, true),
  ])
  func readsAddresses(text: String, host: String, port: Int, isTLS: Bool) throws {
    let endpoint = try Endpoint(parsing: text)
    #expect(endpoint == Endpoint(host: host, port: port, tls: isTLS ? TLSSettings() : nil))
  }

  @Test(arguments: [
    ("", "the address is empty"),
    ("http://", "the address has no host"),
    (":19530", "the address has no host"),
    ("local host:1", "the address holds a space, a control character or a character that is not ASCII"),
    ("h\u{0}:1", "the address holds a space, a control character or a character that is not ASCII"),
    ("bücher.example:1", "the address holds a space, a control character or a character that is not ASCII"),
    ("ftp://h:1", "the address begins with ftp://, not with http:// or https://"),
    ("unix:///run/milvus", "the address begins with unix://, not with http:// or https://"),
    ("./films.db", "./films.db is a file of Milvus Lite: start `milvus-lite server` and give its host:port"),
    ("h:", "after the colon comes no port"),
    ("h:0", "port 0 is not a number from 1 to 65535"),
    ("h:65536", "port 65536 is not a number from 1 to 65535"),
    ("h:+1", "port +1 is not a number from 1 to 65535"),
    ("h:99999999999999999999", "port 99999999999999999999 is not a number from 1 to 65535"),
    ("::1", "::1 has more than one colon: an IPv6 host stands in brackets, as in [::1]:19530"),
    ("[::1:19530", "the bracket around the IPv6 host does not close"),
    ("[::1]19530", "after the bracket comes something else than :port"),
    ("[]:1", "[] is not an IPv6 address"),
    ("[localhost]:1", "[localhost] is not an IPv6 address"),
    ("h$x:1", "h$x is not a host name"),
    (
      "http://h:1/films",
      "the address goes on after the port: a server is http[s]://host:port, its databases are named elsewhere"
    ),
    (
      "h:1?x=y",
      "the address goes on after the port: a server is http[s]://host:port, its databases are named elsewhere"
    ),
  ])
  func namesWhatIsWrong(text: String, message: String) {
    do {
      let endpoint = try Endpoint(parsing: text)
      Issue.record("read as \(endpoint)")
    } catch { #expect(error.message == message) }
  }

  @Test(arguments: ["http://root:hunter2@h:1", "root:hunter2@h:1", "https://hunter2@h"])
  func userInformationIsRefusedAndNotShown(text: String) {
    do {
      let endpoint = try Endpoint(parsing: text)
      Issue.record("read as \(endpoint)")
    } catch {
      #expect(error.message.contains("token") && !error.message.contains("hunter2"))
    }
  }
}
