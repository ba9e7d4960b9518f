using System.Diagnostics;
using System.Net;
using UserSvc.Tests.Edge.Discovery;

namespace UserSvc.Tests.Edge;

/// <summary>The edge goes on with what it reads on the threads that poll the sockets, here on only one: whatever blocked it would stop all requests.</summary>
public sealed class SocketThreadTests
{
    private const string Destinations = "ReverseProxy:Clusters:usersvc:Destinations";

    [Fact]
    public async Task Requests_WhileAllAroundThemStalls_AreAnswered()
    {
        var (stalled, resume) = (new TaskCompletionSource(), new TaskCompletionSource());
        using var files = new PemFiles();
        files.Write(files.Issue("localhost"));
        await using var names = new DnsServer { Ttl = 1 };
        await using var api = new KubernetesApi();
        api.Set("usersvc-a", Slices.Create(8080));
        await api.StartAsync();
        await using var upstream = await Upstream.StartAsync();
        names.Names["usersvc.test"] = ["127.0.0.1"];
        await using var edge = await EdgeProcess.ReadyAsync(upstream,
        [
            .. files.Settings, ("Edge:AccessLog:Requests", "All"), ("Edge:AccessLog:File", ""), ("Edge:FairShares", "false"),
            ($"{Destinations}:named:Address", $"dns+http://usersvc.test:{new Uri(upstream.Address).Port}"), ("Edge:Discovery:Dns:Server", names.EndPoint),
            ($"{Destinations}:watched:Address", "k8s+http://usersvc/http"), ("Edge:Discovery:Kubernetes:ApiServer", api.Address), ("Edge:Discovery:Kubernetes:Namespace", "users"),
        ]);
        edge.StopReading();
        await StallCertificateAsync(files);
        api.BetweenHalves = () =>
        {
            stalled.TrySetResult();
            return resume.Task;
        };
        api.Send("<html>");
        await stalled.Task;
        (names.Failure, var asked) = ((_, _) => DnsServer.Silence, names.Asked.Count);
        await Eventually.HoldsAsync(() => Task.FromResult(names.Asked.Count > asked));

        // Many more lines than a pipe holds.
        var answers = new List<HttpStatusCode>();
        for (var i = 0; i < 1_000; i++)
        {
            using var response = await edge.Public.GetAsync("/user/alice", TestContext.Current.CancellationToken);
            answers.Add(response.StatusCode);
        }

        resume.SetResult();
        Assert.Equal(Enumerable.Repeat(HttpStatusCode.OK, 1_000), answers);
    }

    [Fact]
    public async Task Requests_WhileAClientPipelinesWhatTheEdgeAnswersItself_AreAnswered()
    {
        await using var upstream = await Upstream.StartAsync();
        await using var edge = await EdgeProcess.ReadyAsync(upstream);
        await using var busy = await PipeliningClient.StartAsync(edge.Public.BaseAddress!, "/nothing");

        var answers = new List<HttpStatusCode>();
        for (var i = 0; i < 10; i++)
        {
            using var response = await edge.Public.GetAsync("/user/alice", TestContext.Current.CancellationToken);
            answers.Add(response.StatusCode);
        }

        Assert.Equal(Enumerable.Repeat(HttpStatusCode.OK, 10), answers);
        Assert.True(busy.IsRunning);
    }

    // Whoever reads a pipe waits until somebody writes to it.
    private static async Task StallCertificateAsync(PemFiles files)
    {
        var pipe = $"{files.CertificatePath}.pipe";
        await Process.Start("mkfifo", pipe).WaitForExitAsync(TestContext.Current.CancellationToken);
        File.Move(pipe, files.CertificatePath, overwrite: true);
        // Opens when the edge has.
        await Task.Run(() => new FileStream(files.CertificatePath, FileMode.Open, FileAccess.Write), TestContext.Current.CancellationToken);
    }
}
