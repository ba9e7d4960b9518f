using System.Diagnostics.Metrics;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;

namespace UserSvc.Tests.Edge;

public sealed class TlsTests : IAsyncLifetime
{
    private readonly PemFiles _files = new();
    private Upstream _upstream = null!;

    public async ValueTask InitializeAsync()
    {
        _files.Write(_files.Issue("first"));
        _upstream = await Upstream.StartAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await _upstream.DisposeAsync();
        _files.Dispose();
    }

    [Theory]
    [InlineData("1.1")]
    [InlineData("2.0")]
    public async Task Request_OverTls_IsForwardedInTheVersionThatTheClientNegotiates(string version)
    {
        await using var edge = await EdgeHost.ReadyAsync([_upstream], _files.Settings);
        using var client = Client(edge, "first");
        client.DefaultRequestVersion = new(version);
        client.DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact;

        using var response = await client.GetAsync("/user/alice", TestContext.Current.CancellationToken);

        Assert.Equal((new Answer(200, "usersvc-1"), new Version(version)), (await Answer.ReadAsync(response), response.Version));
        Assert.Equal("https", _upstream.Requests.Single().Headers["X-Forwarded-Proto"]);
    }

    [Fact]
    public async Task Handshake_WithTheRootAlone_IsTrustedAsTheIntermediateIsSent()
    {
        await using var edge = await EdgeHost.ReadyAsync([_upstream], _files.Settings);
        using var tcp = new TcpClient();
        await tcp.ConnectAsync(IPAddress.Loopback, edge.Address("Https").Port, TestContext.Current.CancellationToken);
        await using var tls = new SslStream(tcp.GetStream());

        await tls.AuthenticateAsClientAsync(
            new SslClientAuthenticationOptions
            {
                TargetHost = "localhost",
                CertificateChainPolicy = new() { TrustMode = X509ChainTrustMode.CustomRootTrust, CustomTrustStore = { _files.Root }, RevocationMode = X509RevocationMode.NoCheck, DisableCertificateDownloads = true },
            },
            TestContext.Current.CancellationToken);

        Assert.True(tls.IsAuthenticated);
    }

    [Fact]
    public async Task Handshake_OfTls11_IsRefused()
    {
        await using var edge = await EdgeHost.ReadyAsync([_upstream], _files.Settings);

        // A TLS 1.1 ClientHello: the record, a random, no session, one cipher suite, no compression.
        var answer = await RawConnection.ExchangeAsync(edge.Address("Https"),
            $"\x16\x03\x01\x00\x2d\x01\x00\x00\x29\x03\x02{new string('r', 32)}\x00\x00\x02\x00\x2f\x01\x00");

        // An alert, or nothing at all; never a ServerHello, which would begin with \x16.
        Assert.Matches("^(\\x15.*)?$", answer);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Certificate_ReplacedUnderLoad_IsInTheNextHandshakeAndNoRequestFails(bool mounted)
    {
        if (mounted)
        {
            File.Delete(_files.CertificatePath);
            File.Delete(_files.KeyPath);
            _files.Mount("v1", _files.Issue("first"));
        }

        var arrived = new TaskCompletionSource();
        var release = new TaskCompletionSource();
        await using var slow = await Upstream.StartAsync(answer: async context =>
        {
            if (context.Request.Path == "/user/slow")
            {
                arrived.SetResult();
                await release.Task;
            }
        });
        await using var edge = await EdgeHost.ReadyAsync([slow], [.. _files.Settings, ($"{EdgeHost.Metadata}:Retry.Attempts", "1")]);
        using var kept = Client(edge, "first");
        var inFlight = kept.AskAsync("/user/slow");
        await arrived.Task;
        using var done = new CancellationTokenSource();
        var load = Enumerable.Range(0, 4).Select(_ => AskUntilAsync(edge, done.Token)).ToList();

        var next = _files.Issue("second");
        if (mounted)
        {
            _files.Mount("v2", next);
        }
        else
        {
            _files.Write(next);
        }

        await Eventually.HoldsAsync(async () => await ServedAsync(edge) == "CN=second");
        await done.CancelAsync();
        var answered = await Task.WhenAll(load);
        release.SetResult();

        Assert.All(answered, count => Assert.True(count > 0));
        Assert.Equal(new Answer(200, ""), await inFlight);
        Assert.Equal(new Answer(200, ""), await kept.AskAsync("/user/alice"));
    }

    [Theory]
    [InlineData("cut")]
    [InlineData("another key")]
    [InlineData("missing")]
    public async Task Certificate_ReplacedByAnUnusableOne_StaysUntilThereIsAGoodOne(string how)
    {
        await using var edge = await EdgeHost.ReadyAsync([_upstream], _files.Settings);
        var next = _files.Issue("second");

        switch (how)
        {
            case "cut":
                Replace(next.Certificates[..200]);
                break;
            case "another key":
                Replace(next.Certificates);
                break;
            default:
                File.Delete(_files.CertificatePath);
                break;
        }

        await Eventually.HoldsAsync(() => Task.FromResult(edge.Log.Lines.Any(line => line.Contains("changed but cannot be used", StringComparison.Ordinal))));
        var meanwhile = await ServedAsync(edge);
        var errors = edge.Log.Lines.Count(line => line.StartsWith("Error: The certificate of listener Https changed but cannot be used (", StringComparison.Ordinal));
        _files.Write(next);
        await Eventually.HoldsAsync(async () => await ServedAsync(edge) == "CN=second");

        Assert.Equal(("CN=first", 1), (meanwhile, errors));

        // In one step: the edge may check at any moment, and logs every state it cannot use.
        void Replace(string certificates)
        {
            File.WriteAllText(_files.CertificatePath + ".new", certificates);
            File.Move(_files.CertificatePath + ".new", _files.CertificatePath, overwrite: true);
        }
    }

    [Theory]
    [InlineData("Path", "", "Kestrel:Endpoints:Https:Certificate:Path is not set: https://127.0.0.1:0 needs a certificate and its key, as PEM files.")]
    [InlineData("KeyPath", "", "Kestrel:Endpoints:Https:Certificate:KeyPath is not set: https://127.0.0.1:0 needs a certificate and its key, as PEM files.")]
    [InlineData("KeyPath", "/nowhere/tls.key", "Kestrel:Endpoints:Https:Certificate cannot be used, with Path {0} and KeyPath /nowhere/tls.key: Could not find a part of the path '/nowhere/tls.key'.")]
    public async Task Start_WithoutAFile_FailsAndNamesTheSetting(string setting, string value, string message)
    {
        var failure = await Record.ExceptionAsync(() => EdgeHost.StartAsync(
            [("usersvc-1", _upstream.Address)], [.. _files.Settings, ($"Kestrel:Endpoints:Https:Certificate:{setting}", value)]));

        Assert.Equal(string.Format(null, message, _files.CertificatePath), failure?.Message);
    }

    [Fact]
    public async Task Certificate_InUse_IsMeasuredByItsRemainingValidity()
    {
        await using var edge = await EdgeHost.ReadyAsync([_upstream], _files.Settings);
        var measured = new List<(double Days, string? Listener)>();
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, self) =>
            {
                if (instrument.Name == "edge.tls.certificate.expiry")
                {
                    self.EnableMeasurementEvents(instrument);
                }
            },
        };
        listener.SetMeasurementEventCallback<double>((_, seconds, tags, _) => measured.Add((Math.Round(seconds / 86_400), $"{tags[0].Value}")));
        listener.Start();

        listener.RecordObservableInstruments();

        Assert.Equal([(90, "Https")], measured.Distinct());
    }

    [Fact]
    public async Task CleartextRequest_WithARedirectPort_IsRedirectedAsWritten()
    {
        await using var edge = await EdgeHost.ReadyAsync([_upstream], ("Edge:Https:RedirectPort", "8443"), ("Edge:TrustedProxies:0", "127.0.0.1"));

        var redirect = await RawConnection.ExchangeAsync(edge.Public.BaseAddress!, "POST /user//a%2Fb?c=d HTTP/1.1\r\nHost: user.example:8080\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        using var behindTls = new HttpRequestMessage(HttpMethod.Get, "/user/alice") { Headers = { { "X-Forwarded-Proto", "https" } } };
        var served = await edge.Public.AskAsync(behindTls);

        Assert.Equal(["HTTP/1.1 308 Permanent Redirect", "Location: https://user.example:8443/user/a%2Fb?c=d"],
            redirect.Split("\r\n").Where(line => line.StartsWith("HTTP", StringComparison.Ordinal) || line.StartsWith("Location", StringComparison.Ordinal)));
        Assert.Equal(new Answer(200, "usersvc-1"), served);
        Assert.Equal(["/user/alice"], _upstream.Requests.Select(r => r.Target));
    }

    [Fact]
    public async Task StrictTransportSecurity_WhereSet_IsInEveryAnswerOverTlsAndInNoOther()
    {
        await using var edge = await EdgeHost.ReadyAsync([_upstream],
            [.. _files.Settings, ("Edge:Https:HstsMaxAge", "365.00:00:00"), ("Edge:Https:HstsIncludeSubDomains", "true")]);
        using var client = Client(edge, "first");

        using var served = await client.GetAsync("/user/alice", TestContext.Current.CancellationToken);
        using var missing = await client.GetAsync("/nothing", TestContext.Current.CancellationToken);
        using var cleartext = await edge.Public.GetAsync("/user/alice", TestContext.Current.CancellationToken);

        Assert.Equal(["max-age=31536000; includeSubDomains"], served.Headers.GetValues("Strict-Transport-Security"));
        Assert.Equal(["max-age=31536000; includeSubDomains"], missing.Headers.GetValues("Strict-Transport-Security"));
        Assert.False(cleartext.Headers.Contains("Strict-Transport-Security"));
    }

    // Half of the requests reuse a connection, the others open a new one.
    private static async Task<int> AskUntilAsync(EdgeHost edge, CancellationToken done)
    {
        var count = 0;
        using var kept = Client(edge, null);
        while (!done.IsCancellationRequested)
        {
            using var fresh = Client(edge, null);
            Assert.Equal(new Answer(200, ""), await kept.AskAsync("/user/alice"));
            Assert.Equal(new Answer(200, ""), await fresh.AskAsync("/user/alice"));
            count++;
        }

        return count;
    }

    private static HttpClient Client(EdgeHost edge, string? subject) => new(new SocketsHttpHandler
    {
        SslOptions = { RemoteCertificateValidationCallback = (_, certificate, _, _) => subject is null || certificate?.Subject == $"CN={subject}" },
    })
    {
        BaseAddress = edge.Address("Https"),
    };

    private static async Task<string?> ServedAsync(EdgeHost edge)
    {
        using var tcp = new TcpClient();
        await tcp.ConnectAsync(IPAddress.Loopback, edge.Address("Https").Port, TestContext.Current.CancellationToken);
        string? subject = null;
        await using var tls = new SslStream(tcp.GetStream(), false, (_, certificate, _, _) => (subject = certificate?.Subject) is not null);
        await tls.AuthenticateAsClientAsync("localhost");
        return subject;
    }
}
