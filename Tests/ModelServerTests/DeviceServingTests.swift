import DemoSupport
import GPUServeKit
import Glibc
import ModelFiles
import Testing
import Tokens
import Wire

@testable import custom_model_server

/// Whole answers computed by a device that is no host: engine, sleep, variants and saved generations over the model's kernels,
/// which a fake GPU runs (see `DeviceKernelTests`). Among the kernels' tests, which change the instructions in use.
extension KernelTests {
    @Suite struct DeviceServingTests {
        private let folder = ModelFolder()
        private let adapters = AdapterDirectory()

        private func host(_ code: ModuleImage?, _ context: HostContext) async throws -> ModelHost {
            var waterfall = Waterfall()
            let start = ModelStart(path: folder.path, name: "tiny", storePath: "\(folder.path)/store")
            let settings = ModelHost.Settings(
                contextCount: 64, sequenceCount: 2, threadCount: 1, code: code,
                variants: .init(directory: adapters.path, base: "tiny", budgetBytes: 1 << 20))
            return ModelHost(name: "tiny", try await start.open(context, &waterfall), settings)
        }

        private static func text(_ host: ModelHost, _ model: String? = nil, saved: SavedSequence? = nil) async throws
            -> String
        {
            let events = try await host.generate(model) { model, weights in
                GenerationRequest(
                    id: "cmpl-1", model: "tiny", weights: weights, prompt: model.loaded.tokenizer.encode("A device,"),
                    tokenLimit: 8, temperature: 0, saved: saved)
            }
            var text = ""
            for await event in events {
                switch event {
                case .text(let piece): text += piece
                case .failed(let problem): throw ModelError(.badState, problem)
                case .finished(_, let usage): #expect(usage.completionTokens == 8)
                }
            }
            return text
        }

        @Test func answersAreThoseOfTheHost() async throws {
            adapters.write("one")
            let host = try await host(nil, try HostContext())
            let device = try await self.host(DeviceKernelTests.code, try HostContext())
            let (base, variant) = (try await Self.text(host), try await Self.text(host, "tiny:one"))
            #expect(base != variant && !base.isEmpty)
            #expect(try await Self.text(device) == base)
            #expect(try await Self.text(device, "tiny:one") == variant)
            #expect(try await Self.text(device) == base)
            // Asleep and awake again, and saved after three tokens.
            _ = try await device.sleep()
            #expect(await !device.isAwake)
            _ = try await device.wake()
            let visit = Task {
                try await device.engine.visit(after: 3) { model, sequences in try sequences[0].saved(model).saved }
            }
            while device.engine.waitingCount.visitors == 0 { await Task.yield() }
            #expect(try await Self.text(device) == base)
            let saved = try #require(try await visit.value ?? nil)
            #expect(saved.tokens.count == "A device,".utf8.count + 3)
            #expect(try await Self.text(device, saved: saved) == base)
            for host in [host, device] { _ = try await host.sleep() }
        }

        @Test func aDeviceThatFailsEndsWhatRunsAndSaysSo() async throws {
            let context = try HostContext()
            let host = try await host(DeviceKernelTests.code, context)
            _ = try await Self.text(host)
            try await context.close()
            let error = await #expect(throws: ModelError.self) { try await Self.text(host) }
            #expect(error?.message.hasPrefix("the model could not run: ") == true, "\(error?.message ?? "")")
        }

        @Test func codeWithoutAKernelIsRefusedByName() async throws {
            let host = try await host(ModuleImage(name: "nothing", code: .host([:])), try HostContext())
            let error = await #expect(throws: DeviceError.self) { try await host.wake() }
            #expect("\(error.map { "\($0)" } ?? "")".contains("model_embed"))
        }
    }
}
