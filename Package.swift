// swift-tools-version: 6.3
import PackageDescription

/// One place for the compiler's strictness: every target gets the same settings.
let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .treatAllWarnings(as: .error),
]

let package = Package(
    name: "routerkit-gpuservekit",
    products: [
        .library(name: "RouterKit", targets: ["RouterKit"]),
        .library(name: "GPUServeKit", targets: ["GPUServeKit"]),
        .library(name: "GPUServeKitTesting", targets: ["GPUServeKitTesting"]),
        .executable(name: "router", targets: ["router"]),
        .executable(name: "gpuserve", targets: ["gpuserve"]),
        .executable(name: "custom-model-server", targets: ["custom-model-server"]),
    ],
    targets: [
        // Floors 0-2: shared by both kits, not products.
        .systemLibrary(
            name: "CCurl", path: "Sources/Support/CCurl", providers: [.apt(["libcurl4-openssl-dev"])]),
        .target(name: "CPosix", path: "Sources/Support/CPosix"),
        .target(name: "CCuda", path: "Sources/Support/CCuda"),
        .target(name: "CHash", path: "Sources/Support/CHash"),
        .target(name: "CModelKernels", path: "Sources/Support/CModelKernels", exclude: ["cuda"]),
        .target(name: "CWeights", path: "Sources/Support/CWeights", exclude: ["shipped.weights"]),
        .target(name: "Wire", path: "Sources/Support/Wire", swiftSettings: strict),
        .target(
            name: "Transport", dependencies: ["Wire", "CCurl", "CPosix"], path: "Sources/Support/Transport",
            swiftSettings: strict),
        .target(name: "Tokens", dependencies: ["Wire"], path: "Sources/Support/Tokens", swiftSettings: strict),
        // Floor 3: the kits. They never import each other.
        .target(
            name: "RouterKit", dependencies: ["Wire", "Transport", "CPosix", "CWeights"],
            resources: [.embedInCode("Policy/shipped-policy.json")], swiftSettings: strict),
        .target(
            name: "GPUServeKit", dependencies: ["Wire", "Transport", "CPosix", "CCuda", "CHash"], swiftSettings: strict),
        // What a model server needs of a model's files.
        .target(
            name: "ModelFiles", dependencies: ["GPUServeKit", "Tokens", "Wire"], path: "Sources/Support/ModelFiles",
            swiftSettings: strict),
        // Conformance suites for whoever writes a part of their own.
        .target(
            name: "GPUServeKitTesting", dependencies: ["GPUServeKit"], path: "Tests/ConformanceSuites",
            swiftSettings: strict),
        // Floor 4: thin executables, and what their command lines share.
        .target(
            name: "DemoSupport", dependencies: ["Transport", "Wire"], path: "Sources/Demos/Shared",
            swiftSettings: strict),
        .executableTarget(
            name: "router", dependencies: ["CPosix", "DemoSupport", "RouterKit", "Transport", "Wire"],
            path: "Sources/Demos/router",
            swiftSettings: strict),
        .executableTarget(
            name: "gpuserve", dependencies: ["DemoSupport", "GPUServeKit", "Transport", "Wire"],
            path: "Sources/Demos/gpuserve", swiftSettings: strict),
        .executableTarget(
            name: "custom-model-server",
            dependencies: [
                "CModelKernels", "CPosix", "DemoSupport", "GPUServeKit", "ModelFiles", "Tokens", "Transport", "Wire",
            ],
            path: "Sources/Demos/custom-model-server", exclude: ["README.md"],
            resources: [.embedInCode("CUDA/model.ptx")], swiftSettings: strict),
        .executableTarget(
            name: "quickstart", dependencies: ["RouterKit"], path: "Sources/Demos/quickstart", swiftSettings: strict),
        // Benchmarks: one executable a question; the writer of results is shared.
        .target(name: "CAllocations", path: "Benchmarks/CAllocations"),
        .target(name: "BenchSupport", path: "Benchmarks/Support", swiftSettings: strict),
        .executableTarget(
            name: "bench-classifier", dependencies: ["BenchSupport", "CAllocations", "RouterKit", "Wire"],
            path: "Benchmarks/bench-classifier", exclude: ["litellm_heuristic.py"], swiftSettings: strict),
        .executableTarget(
            name: "bench-restore", dependencies: ["BenchSupport", "GPUServeKit", "Transport", "Wire"],
            path: "Benchmarks/bench-restore", exclude: ["peers.py", "TRIES.md"], swiftSettings: strict),
        .executableTarget(
            name: "bench-trace", dependencies: ["BenchSupport", "GPUServeKit", "RouterKit"],
            path: "Benchmarks/bench-trace", exclude: ["recorded.csv", "daemon.py"], swiftSettings: strict),
        .executableTarget(
            name: "bench-gpu", dependencies: ["BenchSupport", "GPUServeKit"], path: "Benchmarks/bench-gpu",
            swiftSettings: strict),
        .executableTarget(
            name: "eval-routing", dependencies: ["BenchSupport", "RouterKit"], path: "Benchmarks/eval-routing",
            exclude: ["litellm_scores.py", "TRIES.md"], swiftSettings: strict),
        .executableTarget(
            name: "train-weights", dependencies: ["RouterKit"], path: "Benchmarks/train-weights",
            swiftSettings: strict),
        // Tests: one folder per target.
        .testTarget(name: "WireTests", dependencies: ["Wire"], swiftSettings: strict),
        .testTarget(name: "TransportTests", dependencies: ["Transport", "Wire"], swiftSettings: strict),
        .testTarget(
            name: "RouterKitTests", dependencies: ["CAllocations", "RouterKit", "Transport", "Wire"],
            swiftSettings: strict),
        .testTarget(
            name: "RouterTests", dependencies: ["DemoSupport", "router", "RouterKit", "Transport", "Wire"],
            swiftSettings: strict),
        .target(name: "CFakeCuda", dependencies: ["CCuda"], path: "Tests/CFakeCuda"),
        .executableTarget(
            name: "store-torture", dependencies: ["GPUServeKit", "Transport"], path: "Tests/StoreTorture",
            swiftSettings: strict),
        .executableTarget(
            name: "ledger-torture", dependencies: ["GPUServeKit", "Wire"], path: "Tests/LedgerTorture",
            swiftSettings: strict),
        .testTarget(
            name: "GPUServeKitTests",
            dependencies: [
                "BenchSupport", "bench-gpu", "bench-trace", "GPUServeKit", "GPUServeKitTesting", "CCuda", "CFakeCuda",
                "CHash",
                "Transport", "Wire", "ledger-torture", "store-torture",
            ],
            swiftSettings: strict),
        // The model's CUDA kernels, compiled for the host: a fake GPU.
        .target(
            name: "CEmulatedCuda", path: "Tests/CEmulatedCuda",
            cxxSettings: [.headerSearchPath("."), .headerSearchPath("../../Sources/Support/CModelKernels")]),
        .testTarget(
            name: "ModelServerTests",
            dependencies: [
                "CEmulatedCuda", "CModelKernels", "GPUServeKit", "ModelFiles", "Tokens", "custom-model-server", "Wire",
            ],
            swiftSettings: strict),
        .testTarget(name: "TidyTests", path: "Tests/Tidy", swiftSettings: strict),
    ]
)
