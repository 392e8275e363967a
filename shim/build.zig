//! Builds the shim for this machine (`zig build`), for every platform (`zig build all`) or for one of them (`zig build
//! platform -Dplatform=linux-x64-musl`), its C tests (`zig build tests`, also under sanitizers; `tests-windows`, and
//! `tests-platform` for any other) and the C programs that the benches compare with (`zig build bench`).

const std = @import("std");

const warnings = [_][]const u8{
    "-std=c11", "-Wall", "-Wextra", "-Werror", "-Wshadow", "-Wno-unused-command-line-argument", "-fvisibility=hidden", "-D_GNU_SOURCE",
};

/// Every platform the package carries a shim for. glibc 2.28 is Debian 10's and RHEL 8's.
const platforms = [_]struct { name: []const u8, triple: []const u8 }{
    .{ .name = "linux-x64-glibc", .triple = "x86_64-linux-gnu.2.28" },
    .{ .name = "linux-arm64-glibc", .triple = "aarch64-linux-gnu.2.28" },
    .{ .name = "linux-x64-musl", .triple = "x86_64-linux-musl" },
    .{ .name = "linux-arm64-musl", .triple = "aarch64-linux-musl" },
    .{ .name = "darwin-x64", .triple = "x86_64-macos" },
    .{ .name = "darwin-arm64", .triple = "aarch64-macos" },
    .{ .name = "win32-x64", .triple = "x86_64-windows-gnu" },
};

const Options = struct {
    target: std.Build.ResolvedTarget,
    optimize: std.builtin.OptimizeMode,
    sanitize_thread: bool = false,
    sanitize_c: std.zig.SanitizeC = .off,
    /// Instead of the one in lavaflow.h.
    wire_version: ?[]const u8 = null,
};

/// Every .c file in a folder of src, in the order of their paths so that builds can be compared; those whose names end in
/// _posix.c or _win32.c for these systems only. An include names its folder: "gpu/queue.h".
fn addSources(b: *std.Build, module: *std.Build.Module) void {
    const windows = module.resolved_target.?.result.os.tag == .windows;
    const io = b.graph.io;
    var names: std.ArrayList([]const u8) = .empty;
    var dir = b.build_root.handle.openDir(io, "src", .{ .iterate = true }) catch @panic("no src");
    defer dir.close(io);
    var walker = dir.walk(b.allocator) catch @panic("OOM");
    defer walker.deinit();
    while (walker.next(io) catch @panic("src can't be read")) |entry| {
        if (entry.kind != .file or !std.mem.endsWith(u8, entry.path, ".c")) continue;
        if (std.mem.endsWith(u8, entry.path, if (windows) "_posix.c" else "_win32.c")) continue;
        names.append(b.allocator, b.dupe(entry.path)) catch @panic("OOM");
    }
    std.mem.sort([]const u8, names.items, {}, struct {
        fn before(_: void, x: []const u8, y: []const u8) bool {
            return std.mem.lessThan(u8, x, y);
        }
    }.before);
    module.addIncludePath(b.path("include"));
    module.addIncludePath(b.path("src"));
    module.addCSourceFiles(.{ .root = b.path("src"), .files = names.items, .flags = &warnings });
}

fn newModule(b: *std.Build, options: Options) *std.Build.Module {
    const module = b.createModule(.{
        .target = options.target,
        .optimize = options.optimize,
        .link_libc = true,
        .pic = true,
        .strip = options.optimize != .Debug and !options.sanitize_thread,
        .sanitize_c = options.sanitize_c,
        .sanitize_thread = options.sanitize_thread,
    });
    if (options.wire_version) |version| module.addCMacro("LF_WIRE_VERSION", version);
    return module;
}

fn addShim(b: *std.Build, options: Options) *std.Build.Step.Compile {
    const module = newModule(b, options);
    addSources(b, module);
    return b.addLibrary(.{ .name = "lavaflow", .linkage = .dynamic, .root_module = module });
}

/// Into a folder of the prefix, with nothing beside it: what stands there is what the package carries.
fn installAlone(b: *std.Build, artifact: *std.Build.Step.Compile, folder: []const u8) *std.Build.Step {
    return &b.addInstallArtifact(artifact, .{
        .dest_dir = .{ .override = .{ .custom = folder } },
        .implib_dir = .disabled,
        .pdb_dir = .disabled,
    }).step;
}

pub fn build(b: *std.Build) void {
    const target = b.standardTargetOptions(.{});

    const native = addShim(b, .{ .target = target, .optimize = .ReleaseFast });
    b.getInstallStep().dependOn(installAlone(b, native, "lib"));

    const all = b.step("all", "The shim for every platform");
    const one = b.step("platform", "The shim for the platform that -Dplatform names");
    const tests_of_one = b.step("tests-platform", "The C tests for the platform that -Dplatform names");
    const tests_windows = b.step("tests-windows", "The C tests as Windows programs");
    const wanted = b.option([]const u8, "platform", "linux-x64-glibc, linux-arm64-musl, darwin-arm64, win32-x64, ...") orelse "";
    for (platforms) |platform| {
        const query = std.Target.Query.parse(.{ .arch_os_abi = platform.triple }) catch unreachable;
        const resolved = b.resolveTargetQuery(query);
        const install = installAlone(b, addShim(b, .{ .target = resolved, .optimize = .ReleaseFast }), platform.name);
        all.dependOn(install);
        const checked: Options = .{ .target = resolved, .optimize = .ReleaseSafe };
        if (resolved.result.os.tag == .windows) addPrograms(b, tests_windows, "test", "test-windows", checked);
        if (!std.mem.eql(u8, platform.name, wanted)) continue;
        one.dependOn(install);
        addPrograms(b, tests_of_one, "test", b.fmt("test-{s}", .{platform.name}), checked);
    }
    for ([_]*std.Build.Step{ one, tests_of_one }) |step| {
        if (step.dependencies.items.len > 0) continue;
        step.dependOn(&b.addFail("-Dplatform names none of the platforms in shim/build.zig").step);
    }

    const tests = b.step("tests", "The C tests, plain, under UBSan and under ThreadSanitizer");
    addPrograms(b, tests, "test", "test", .{ .target = target, .optimize = .Debug, .sanitize_c = .full });
    addPrograms(b, tests, "test", "test-tsan", .{ .target = target, .optimize = .ReleaseSafe, .sanitize_thread = true });

    const tests_mpi = b.step("tests-mpi", "The C tests that an MPI launcher starts, as several ranks");
    addPrograms(b, tests_mpi, "test-mpi", "test-mpi", .{ .target = target, .optimize = .Debug, .sanitize_c = .full });

    const support = b.step("test-support", "For tests: a Vulkan library that fails on demand, CUDA and OpenCL without a GPU, Metal without a Mac, MPI's standard ABI over MPICH, and a shim of another version");
    if (target.result.os.tag == .linux) for ([_][]const u8{ "fault_vulkan", "fake_cuda", "fake_opencl", "fake_metal", "mpi_abi" }) |name| {
        const module = newModule(b, .{ .target = target, .optimize = .ReleaseSafe });
        module.addIncludePath(b.path("src"));
        module.addCSourceFile(.{ .file = b.path(b.fmt("test/support/{s}.c", .{name})), .flags = &warnings });
        const library = b.addLibrary(.{ .name = name, .linkage = .dynamic, .root_module = module });
        support.dependOn(installAlone(b, library, "test-support"));
    };
    const other = addShim(b, .{ .target = target, .optimize = .ReleaseSafe, .wire_version = "99" });
    support.dependOn(installAlone(b, other, "test-support/other-version"));

    const bench = b.step("bench", "The C programs that the benches compare with");
    addPrograms(b, bench, "bench", "bench", .{ .target = target, .optimize = .ReleaseFast });
}

/// One program for each .c file in `folder`, installed under `to`. The shim is linked as an archive, so that a test which
/// includes one of its .c files, to see inside, brings that file instead of the archive's. As with the sources, names that
/// end in _posix.c and _win32.c are for those systems only.
fn addPrograms(b: *std.Build, step: *std.Build.Step, folder: []const u8, to: []const u8, options: Options) void {
    const windows = options.target.result.os.tag == .windows;
    const shim_module = newModule(b, options);
    addSources(b, shim_module);
    const shim = b.addLibrary(.{ .name = "lavaflow", .linkage = .static, .root_module = shim_module });

    const io = b.graph.io;
    var dir = b.build_root.handle.openDir(io, folder, .{ .iterate = true }) catch return;
    defer dir.close(io);
    var entries = dir.iterate();
    while (entries.next(io) catch return) |entry| {
        if (entry.kind != .file or !std.mem.endsWith(u8, entry.name, ".c")) continue;
        if (std.mem.endsWith(u8, entry.name, if (windows) "_posix.c" else "_win32.c")) continue;
        const module = newModule(b, options);
        module.addIncludePath(b.path("include"));
        module.addIncludePath(b.path("src"));
        module.addIncludePath(b.path(folder));
        if (std.mem.startsWith(u8, folder, "test")) module.addIncludePath(b.path("test"));
        module.addCSourceFile(.{ .file = b.path(b.fmt("{s}/{s}", .{ folder, entry.name })), .flags = &warnings });
        module.linkLibrary(shim);
        const program = b.addExecutable(.{
            .name = b.dupe(entry.name[0 .. entry.name.len - 2]),
            .root_module = module,
        });
        step.dependOn(installAlone(b, program, b.dupe(to)));
    }
}
