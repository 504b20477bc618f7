// A relay with C++ gRPC, as one would write it: reads one bounded dump, moves each message into a request, sends it, and takes
// the confirmations on a second thread. Checks nothing.
//   relay SOURCE TARGET PCHANNEL START_TICK END_TICK      HOST:PORT each; prints its CPU seconds
#include <grpcpp/grpcpp.h>
#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>
#include <thread>

#include "relay.grpc.pb.h"

using namespace milvus::proto::milvus;

static std::unique_ptr<MilvusService::Stub> stub(const char *address) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  arguments.SetMaxSendMessageSize(-1);
  return MilvusService::NewStub(grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments));
}

int main(int argc, char **argv) {
  if (argc < 6) return 2;
  auto source = stub(argv[1]), target = stub(argv[2]);
  grpc::ClientContext reading, writing;
  DumpMessagesRequest request;
  request.set_pchannel(argv[3]);
  request.mutable_start_message_id()->set_id("CAAQAQ==");
  request.mutable_start_message_id()->set_wal_name(4);
  request.set_include_start_message(true);
  request.set_start_timetick(strtoull(argv[4], nullptr, 10));
  request.set_end_timetick(strtoull(argv[5], nullptr, 10));
  writing.AddMetadata("cluster-id", "dst");
  auto in = source->DumpMessages(&reading, request);
  auto out = target->CreateReplicateStream(&writing);
  long long confirmed = 0, messages = 0;
  std::thread taker([&] {
    ReplicateResponse answer;
    while (out->Read(&answer)) confirmed++;
  });
  DumpMessagesResponse answer;
  ReplicateRequest forward;
  while (in->Read(&answer)) {
    if (!answer.has_message()) continue;
    auto message = forward.mutable_replicate_message();
    message->set_source_cluster_id("src");
    message->mutable_message()->Swap(answer.mutable_message());
    if (!out->Write(forward)) break;
    messages++;
  }
  out->WritesDone();
  taker.join();
  out->Finish();
  in->Finish();
  rusage r{};
  getrusage(RUSAGE_SELF, &r);
  double cpu = double(r.ru_utime.tv_sec + r.ru_stime.tv_sec) + double(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
  printf("{\"messages\": %lld, \"confirmed\": %lld, \"cpu_s\": %.4f, \"max_rss_kb\": %ld}\n", messages, confirmed, cpu, r.ru_maxrss);
}
