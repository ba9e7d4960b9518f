using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using UserSvc.AppHost.Processes;

namespace UserSvc.Tests.EndToEnd;

/// <summary>
/// Runs the console blocks of the README and then of the API's page as a reader would, against one system with its own ports and state
/// folder.
/// </summary>
[Scenario]
public sealed partial class ReadmeTests : IAsyncDisposable
{
    private static readonly string[] Pages = ["README.md", "docs/api.md"];

    private readonly string _state = StateFolder.Create();
    private readonly int _port = Ports.Free();
    private readonly int _healthPort = Ports.Free();
    private readonly int _adminPort = Ports.Free();
    private Process? _up;

    private static string Root { get; } = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(SourceFile())!, "../.."));

    public async ValueTask DisposeAsync()
    {
        if (_up is { HasExited: false })
        {
            await _up.EndAsync(Eventually.Deadline);
        }

        _up?.Dispose();
        Directory.Delete(_state, recursive: true);
    }

    [Fact]
    public async Task ConsoleBlocks_FromTopToBottom_PrintWhatThePagesShow()
    {
        var steps = Pages.SelectMany(page => Steps(File.ReadAllText(Path.Combine(Root, page)))).ToList();
        var printed = new List<(string Command, string Output)>();

        foreach (var (command, _) in steps)
        {
            printed.Add((command, Mask(command switch
            {
                "./up.sh" => await UpAsync(),
                // Not the whole: this test is part of it.
                "./test.sh" => await RunAsync("./test.sh --help >/dev/null"),
                _ => await RunAsync(command),
            })));
        }

        var stopped = await _up!.EndAsync(Eventually.Deadline);
        Assert.Equal(steps.Select(s => (s.Command, Mask(s.Output))), printed);
        Assert.True(stopped, $"up.sh did not stop within {Eventually.Deadline}");
    }

    /// <summary>The lines <c>$ command</c> of a page's console blocks, each with the output below it.</summary>
    internal static IEnumerable<(string Command, string Output)> Steps(string page) =>
        ConsoleBlock().Matches(page)
            .SelectMany(block => block.Groups[1].Value.Split("$ ", StringSplitOptions.RemoveEmptyEntries))
            .Select(step => step.Split('\n', 2))
            .Select(parts => (parts[0], parts[1].Trim()));

    /// <returns>What up.sh prints before the list of curl lines.</returns>
    private async Task<string> UpAsync()
    {
        _up = Start($"exec ./up.sh --port {_port} --health-port {_healthPort} --admin-port {_adminPort} --no-dashboard");
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        limit.CancelAfter(Eventually.Deadline);
        var lines = new List<string>();
        while (await _up.StandardOutput.ReadLineAsync(limit.Token) is { } line)
        {
            lines.Add(line);
            if (line.Contains("database", StringComparison.Ordinal))
            {
                // Keep reading: a full pipe would block the system.
                _ = _up.StandardOutput.BaseStream.CopyToAsync(Stream.Null, TestContext.Current.CancellationToken);
                return string.Join('\n', lines.SkipWhile(l => !l.StartsWith("UserSvc is ready", StringComparison.Ordinal)));
            }
        }

        Assert.Fail("up.sh ended before it was ready:\n" + string.Join('\n', lines));
        return string.Empty;
    }

    private async Task<string> RunAsync(string command)
    {
        using var process = Start(command.Replace("localhost:8080", $"localhost:{_port}", StringComparison.Ordinal).Replace(".local/", _state + "/", StringComparison.Ordinal));
        var output = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.True(process.ExitCode == 0, $"exit code {process.ExitCode} from: {command}");
        return output.Trim();
    }

    private Process Start(string command)
    {
        // Without a terminal, curl shows its progress.
        var start = new ProcessStartInfo("bash", ["-c", command.Replace("curl ", "curl --no-progress-meter ", StringComparison.Ordinal)]) { WorkingDirectory = Root, RedirectStandardOutput = true };
        start.Environment["StateFolder"] = _state;
        start.Environment["Postgres"] = "Local";
        return Process.Start(start)!;
    }

    // Hides what differs between runs: uuids, the instance that answers, ports, folders, the kind of PostgreSQL, and the dashboard, which this run lacks.
    private string Mask(string text)
    {
        text = Uuid().Replace(text.Replace(_state + "/", ".local/", StringComparison.Ordinal), "UUID");
        text = InstanceName().Replace(text, "\"hostname\":\"usersvc-N\"");
        text = ChosenAtStart().Replace(text, "$1");
        return text.Replace($":{_port}", ":8080", StringComparison.Ordinal).Replace($":{_healthPort}/", ":8002/", StringComparison.Ordinal)
            .Replace($":{_adminPort}/", ":8001/", StringComparison.Ordinal);
    }

    private static string SourceFile([CallerFilePath] string path = "") => path;

    [GeneratedRegex("```console\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex ConsoleBlock();

    [GeneratedRegex("[0-9A-F]{32}")]
    private static partial Regex Uuid();

    [GeneratedRegex("\"hostname\":\"usersvc-[123]\"")]
    private static partial Regex InstanceName();

    [GeneratedRegex("(dashboard|admin key|database) .*")]
    private static partial Regex ChosenAtStart();
}
