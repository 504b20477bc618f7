@testable import CDCBridge
import MilvusWire
import Testing

@Suite struct RouterTests {
  private func router(
    token: String? = nil, mirrorsCode: Bool = false, isReady: Bool = true, rig: TaskRig? = nil
  ) throws -> Router {
    var settings = Router.Settings()
    settings.token = token.map { Secret($0) }
    settings.mirrorsCode = mirrorsCode
    return Router(api: try (rig ?? TaskRig()).api, settings: settings, isReady: { isReady })
  }
  private func request(
    _ method: String, _ path: String, _ body: String = "", fields: [(String, String)] = []
  ) -> HTTPRequest {
    HTTPRequest(
      method: method, path: path,
      fields: ([("host", "localhost:8444")] + fields).map { .init(name: $0.0, value: $0.1) },
      body: Array(body.utf8))
  }
  private func text(_ response: HTTPResponse) -> String { String(decoding: response.body, as: UTF8.self) }

  @Test(arguments: ["GET", "PUT", "HEAD", "OPTIONS", "DELETE"])
  func theTaskAPITakesOnlyPOST(method: String) async throws {
    let response = await (try router()).answer(request(method, "/cdc", #"{"request_type":"list"}"#))
    #expect(response.status == .ok)
    #expect(response.contentType == "application/json")
    #expect(text(response) == "{\"code\":405,\"message\":\"only support the POST method\"}\n")
  }

  @Test func theStatusLineFollowsTheCodeOnlyWhenAsked() async throws {
    for (body, status) in [
      (#"{"request_type":"list"}"#, HTTPStatus.ok), (#"{"request_type":"x"}"#, .badRequest),
      ("{", .internalServerError),
    ] {
      #expect(await (try router()).answer(request("POST", "/cdc", body)).status == .ok)
      #expect(await (try router(mirrorsCode: true)).answer(request("POST", "/cdc", body)).status == status)
    }
    #expect(await (try router(mirrorsCode: true)).answer(request("GET", "/cdc")).status == .methodNotAllowed)
  }

  @Test(arguments: ["/cdc/", "/x", "/cdc/metrics/", "/healthz/x", "/CDC", "*"])
  func everyOtherPathIsNotFound(path: String) async throws {
    let response = await (try router()).answer(request("GET", path))
    #expect(response.status == .notFound)
    #expect(response.contentType == "text/plain; charset=utf-8")
    #expect(text(response) == "404 page not found\n")
  }

  @Test(arguments: [
    ("//cdc", "/cdc"), ("/a/../cdc", "/cdc"), ("/./cdc//metrics", "/cdc/metrics"),
    ("//evil.example/", "/evil.example/"),
  ])
  func aDoubledSlashLeadsToTheCleanPathOfThisHost(path: String, clean: String) async throws {
    let response = await (try router()).answer(request("POST", path))
    #expect(response.status == .movedPermanently)
    #expect(response.fields == [.init(name: "Location", value: clean)])
  }

  @Test func probesAnswerWithoutATokenAndTellNothing() async throws {
    let ready = try router(token: "t")
    #expect(text(await ready.answer(request("GET", "/healthz"))) == "ok\n")
    #expect(await ready.answer(request("GET", "/readyz")).status == .ok)
    #expect(
      await (try router(isReady: false)).answer(request("GET", "/readyz")).status == .serviceUnavailable)
    let refused = await ready.answer(request("POST", "/healthz"))
    #expect(refused.status == .methodNotAllowed)
    #expect(refused.fields == [.init(name: "Allow", value: "GET, HEAD")])
  }

  @Test(
    arguments: [
      (nil, false), ("Bearer right", true), ("bearer   right ", true), ("Bearer wrong", false),
      ("Bearer righ", false),
      ("Bearer rightright", false), ("Bearer ", false), ("right", false), ("Basic right", false),
      ("Bearer right x", false),
    ] as [(String?, Bool)])
  func theTokenMustBeRight(header: String?, isAllowed: Bool) async throws {
    let router = try router(token: "right")
    for path in ["/cdc", "/cdc/metrics", "/", "/version", "/else"] {
      let response = await router.answer(
        request(
          "POST", path, #"{"request_type":"list"}"#, fields: header.map { [("authorization", $0)] } ?? []))
      #expect((response.status != .unauthorized) == isAllowed, "\(path)")
      if !isAllowed {
        #expect(text(response) == "{\"code\":401,\"message\":\"the request needs a valid bearer token\"}\n")
        #expect(response.fields == [.init(name: "WWW-Authenticate", value: "Bearer realm=\"cdc-bridge\"")])
      }
    }
  }

  @Test func twoAuthorizationFieldsAreNone() async throws {
    let fields = [("authorization", "Bearer right"), ("authorization", "Bearer right")]
    let response = await (try router(token: "right")).answer(request("POST", "/cdc", fields: fields))
    #expect(response.status == .unauthorized)
  }

  @Test func anEmptyTokenLetsNobodyIn() { #expect(!Router.isSame("", "")) }

  @Test func pagesOfOtherSitesCannotUseTheOperatorsBrowser() async throws {
    let router = try router()
    let list = #"{"request_type":"list"}"#
    func status(_ fields: [(String, String)]) async -> HTTPStatus {
      await router.answer(request("POST", "/cdc", list, fields: fields)).status
    }
    #expect(await status([("origin", "https://elsewhere.example")]) == .forbidden)
    #expect(await status([("origin", "null")]) == .forbidden)
    #expect(await status([("sec-fetch-site", "cross-site")]) == .forbidden)
    #expect(await status([("origin", "http://localhost:8444")]) == .ok)
    #expect(await status([("sec-fetch-site", "same-origin")]) == .ok)
    #expect(await status([]) == .ok)
  }

  @Test func answersEscapeWhatMeansSomethingInAPage() async throws {
    let body = #"{"request_type":"get","request_data":{"task_id":"<a>&\u2028"}}"#
    let response = await (try router()).answer(request("POST", "/cdc", body))
    #expect(
      text(response)
        == #"{"code":400,"message":"fail to handle the get request, error: not found: [\u003ca\u003e\u0026\u2028]"}"#
        + "\n")
  }

  @Test func theStatusPageEscapesEverythingItShows() async throws {
    let rig = try TaskRig()
    _ = await rig.create(id: "t")
    let nasty = "<script>alert('x')</script>&\""
    rig.factory.board("t")?.update { progress in
      progress.lastError = nasty
      progress.hint = nasty
      let path = CollectionPath(database: "default", name: nasty)
      var collection = TaskProgress.Collection(source: path, target: path)
      collection.lastError = nasty
      collection.rowsTotal = 10
      collection.rowsCopied = 5
      progress.collections = [collection]
    }
    let page = await (try router(rig: rig)).answer(request("GET", "/"))
    #expect(page.contentType == "text/html; charset=utf-8")
    let html = text(page)
    #expect(
      !html.contains("<script") && html.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;&quot;")
    )
    #expect(html.contains("50 %"))
    #expect(html.contains("http-equiv=refresh"))
    _ = await rig.call("pause", #"{"task_id":"t"}"#)
    let paused = text(await (try router(rig: rig)).answer(request("GET", "/")))
    #expect(paused.contains("manually pause through http interface"))
  }

  @Test func metricsHaveTheDocumentedNamesAndNoSeriesOfAClientsMaking() async throws {
    let clock = ManualTimekeeper()
    let rig = try TaskRig(timekeeper: clock)
    let metrics = RequestMetrics()
    let router = Router(api: rig.api, metrics: metrics, timekeeper: clock)
    _ = await router.answer(
      request(
        "POST", "/cdc",
        #"{"request_type":"create","request_data":{"milvus_connect_param":{"uri":"http://target:1"},"collection_infos":[{"name":"a"}],"task_id":"t"}}"#
      ))
    _ = await router.answer(request("POST", "/cdc", #"{"request_type":"evil\"name"}"#))
    _ = await router.answer(request("GET", "/cdc"))
    _ = await router.answer(
      request("POST", "/cdc", #"{"request_type":"get","request_data":{"task_id":"x"}}"#))
    let now = clock.unixMilliseconds
    rig.factory.board("t")?.update { progress in
      let path = CollectionPath(database: "default", name: "a\"\n")
      var collection = TaskProgress.Collection(source: path, target: path)
      collection.watermarkUnixMs = now
      collection.inserted = 7
      progress.collections = [collection]
    }
    clock.advance(by: .seconds(3))
    let page = await router.answer(request("GET", "/cdc/metrics"))
    #expect(page.contentType == "text/plain; version=0.0.4; charset=utf-8")
    let lines = Set(text(page).split(separator: "\n"))
    for line in [
      #"milvus_cdc_task_num{task_state="Initial"} 0"#, #"milvus_cdc_task_num{task_state="Running"} 1"#,
      #"milvus_cdc_task_num{task_state="Paused"} 0"#, #"milvus_cdc_task_state{task_id="t"} 1"#,
      #"milvus_cdc_request_total{request_type="create",request_status="success"} 1"#,
      #"milvus_cdc_request_total{request_type="get",request_status="fail"} 1"#,
      #"milvus_cdc_request_total{request_type="unknown",request_status="total"} 2"#,
      #"milvus_cdc_request_total{request_type="unknown",request_status="unmarshal_error"} 1"#,
      #"milvus_cdc_request_total{request_type="unknown",request_status="invalid_method"} 1"#,
      #"milvus_cdc_request_latency_count{request_type="create"} 1"#,
      #"milvus_cdc_request_latency_bucket{request_type="create",le="+Inf"} 1"#,
      #"cdc_bridge_lag_seconds{task_id="t"} 3"#,
      #"milvus_cdc_replicate_data_cnt{task_id="t",collection_id="",collection_name="default.a\"\n",op_type="write",api_type="insert"} 7"#,
    ] {
      #expect(lines.contains(Substring(line)), "\(line)")
    }
    #expect(!text(page).contains("evil"))
    _ = await rig.call("delete", #"{"task_id":"t"}"#)
    #expect(!text(await router.answer(request("GET", "/cdc/metrics"))).contains("task_id=\"t\""))
  }
}
