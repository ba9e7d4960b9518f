using System.Text.RegularExpressions;
using UserSvc.Edge.Admin;

namespace UserSvc.Tests.Edge.Admin;

public sealed class ConfigDumpTests
{
    private const string Secret = "s3cr3t";

    private static readonly string[] Others = ["/stats", "/clusters", "/clusters?format=json", "/server_info", "/stats/prometheus"];

    [Fact]
    public async Task Dump_OfAConfigurationFullOfSecrets_HidesThem()
    {
        await using var upstream = await Upstream.StartAsync();
        const string Route = "ReverseProxy:Routes:user";
        const string Cluster = "ReverseProxy:Clusters:usersvc";
        (string Key, string Value)[] secrets =
        [
            ($"{Route}:Transforms:1:RequestHeader", "X-Upstream-Key"), ($"{Route}:Transforms:1:Set", Secret),
            ($"{Route}:Transforms:2:ResponseHeader", "X-Other"), ($"{Route}:Transforms:2:Append", Secret),
            ($"{Route}:Match:Headers:0:Name", "X-Key"), ($"{Route}:Match:Headers:0:Values:0", Secret),
            ($"{Route}:Match:QueryParameters:0:Name", "key"), ($"{Route}:Match:QueryParameters:0:Values:0", Secret),
            ($"{Cluster}:HealthCheck:Active:Query", $"?key={Secret}"),
            ($"{Cluster}:HttpClient:WebProxy:Address", $"http://user:{Secret}@proxy:3128"),
            ($"{Cluster}:Destinations:other:Address", $"http://{Secret}:{Secret}@127.0.0.1:1/?sig={Secret}"),
            ("Logging:Cloud:ConnectionString", Secret),
            ("Logging:Cloud:Endpoint", Secret),
            ("Logging:Cloud:SigningKey", Secret),
            ("Edge:Discovery:Kubernetes:TokenFile", "/run/token"),
        ];
        await using var edge = await EdgeHost.StartAsync([(upstream.Name, upstream.Address)], secrets);

        var dump = await edge.Admin.AskAsync("/config_dump");
        var others = await Task.WhenAll(Others.Select(edge.Admin.AskAsync));

        Assert.Equal(200, dump.Status);
        Assert.DoesNotContain(Secret, await EventsAsync(edge), StringComparison.Ordinal);
        Assert.All([dump, .. others], a => Assert.DoesNotContain(Secret, a.Body, StringComparison.Ordinal));
        // Ten settings, one of them an address with two secrets, and the same two in the running destination.
        Assert.Equal(13, Regex.Count(dump.Body, Regex.Escape("[hidden]")));
        var configuration = (await edge.JsonAsync("/config_dump"))["configs"]!.AsArray();
        Assert.Equal(["Drain", "Edge", "Instance", "Kestrel", "Logging", "ReverseProxy", "Destinations"], configuration.Select(c => (string?)c!["name"]));
        Assert.Equal("/run/token", (string?)configuration[1]!["config"]!["Discovery"]!["Kubernetes"]!["TokenFile"]);
        Assert.Equal(upstream.Address, (string?)configuration[6]!["config"]!["usersvc"]!["usersvc-1"]!["Address"]);
    }

    [Theory]
    [InlineData("Kestrel:Endpoints:Https:Certificate:Password", "x", "[hidden]")]
    [InlineData("Kestrel:Endpoints:Https:Certificate:KeyPath", "/tls/tls.key", "/tls/tls.key")]
    [InlineData("Edge:Discovery:Kubernetes:TokenFile", "/run/token", "/run/token")]
    [InlineData("Edge:Some:ApiKey", "x", "[hidden]")]
    [InlineData("Edge:Some:Pem", "-----BEGIN PRIVATE KEY-----\nx", "[hidden]")]
    [InlineData("Edge:Some:Address", "http://a:b@host/p?q=1", "http://[hidden]@host/p?[hidden]")]
    [InlineData("Edge:Some:Address", "http://a:b@c@host/p", "http://[hidden]@host/p")]
    [InlineData("Edge:Some:Address", "http://host/p", "http://host/p")]
    [InlineData("ReverseProxy:Routes:user:Transforms:0:Set", "Bearer x", "[hidden]")]
    [InlineData("ReverseProxy:Routes:user:Transforms:0:RequestHeader", "Authorization", "Authorization")]
    [InlineData("Logging:LogLevel:Default", "Information", "Information")]
    [InlineData("Logging:Cloud:Anything", "x", "[hidden]")]
    public void Setting_ThatMayBeSecret_IsHidden(string path, string value, string shown) => Assert.Equal(shown, Redactor.Redact(path, value));

    /// <summary>The first two events: the history and the current state.</summary>
    private static async Task<string> EventsAsync(EdgeHost edge)
    {
        using var reader = new StreamReader(await edge.Admin.GetStreamAsync("/events", TestContext.Current.CancellationToken));
        var data = new List<string>();
        while (data.Count < 2)
        {
            if (await reader.ReadLineAsync(TestContext.Current.CancellationToken) is { } line && line.StartsWith("data:", StringComparison.Ordinal))
            {
                data.Add(line);
            }
        }

        return string.Concat(data);
    }
}
