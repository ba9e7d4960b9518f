using System.Globalization;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Npgsql;
using UserSvc.AppHost.Postgres;
using UserSvc.ServiceDefaults;

namespace UserSvc.Tests.Api;

/// <summary>Ways to a real server: a URI, its Unix socket, and TLS with a certificate for localhost.</summary>
public sealed class DatabaseConnectionTests(DatabaseConnectionTests.TlsPostgres postgres) : IClassFixture<DatabaseConnectionTests.TlsPostgres>
{
    private const string Refused =
        "PostgreSQL's certificate is refused. Root Certificate in ConnectionStrings:users must hold the CA that signed it and, unless SSL Mode is VerifyCA, Host must be a name in it.";

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("postgresql://postgres:{password}@127.0.0.1:{port}/postgres?sslmode=disable&connect_timeout=60")]
    [InlineData("postgres://postgres:{password}@localhost:{port}/postgres?sslmode=verify-full&sslrootcert={ca}&connect_timeout=60")]
    [InlineData("postgres://postgres:{password}@127.0.0.1:1,127.0.0.1:{port}/postgres?connect_timeout=60&target_session_attrs=read-write")]
    [InlineData("postgres://postgres:{password}@/postgres?host={folder}&port={port}&keepalives=1&sslmode=require")]
    [InlineData("host={folder} port={port} user=postgres password={password} dbname=postgres")]
    [InlineData("Host={folder};Port={port};Username=postgres;Passfile={passfile};Database=postgres")]
    [InlineData("Host=localhost;Port={port};Username=postgres;Password={password};Database=postgres;SSL Mode=VerifyFull;Root Certificate={ca};Timeout=60")]
    [InlineData("Host=localhost;Port={port};Username=certified;Database=postgres;SSL Mode=VerifyFull;Root Certificate={ca};SSL Certificate={certificate};SSL Key={key};Timeout=60")]
    [InlineData("host=localhost port={port} user=certified dbname=postgres sslmode=verify-full sslrootcert={ca} sslcert={certificate} sslkey={key} connect_timeout=60")]
    [InlineData("postgres://certified@localhost:{port}/postgres?sslmode=verify-full&sslrootcert={ca}&sslcert={certificate}&sslkey={key}&connect_timeout=60")]
    public async Task Api_WithAWayToTheServer_IsReady(string connection)
    {
        await using var api = new ApiInstance(postgres.Fill(connection));

        var client = await api.ReadyAsync();

        Assert.Equal(404, (await client.AnswerToGetAsync("/user/alice")).Status);
    }

    [Theory]
    [InlineData("Username=certified")]
    [InlineData("Username=postgres_2;SSL Certificate={certificate};SSL Key={key}")]
    public Task Api_WithoutTheCertificateOfItsRole_SaysSoInOneLine(string login) => FailsAsync(
        login + ";Host=localhost;Root Certificate={ca}",
        "PostgreSQL rejects the login. Correct the user name or the password of ConnectionStrings:users, or allow the connection in pg_hba.conf.");

    [Theory]
    [InlineData("Host=localhost;Root Certificate={other}", Refused)]
    [InlineData("Host=127.0.0.1;Root Certificate={ca}", Refused)]
    [InlineData("Host=localhost;Root Certificate=/missing", "ConnectionStrings:users names a file as Root Certificate that is missing or that this user may not read.")]
    [InlineData("Host=localhost;Root Certificate={passfile}", "The Root Certificate, SSL Certificate or SSL Key of ConnectionStrings:users is not a certificate or key in PEM, or they do not match.")]
    public Task Api_ThatCannotTrustTheServer_SaysSoInOneLine(string connection, string message) => FailsAsync(connection + ";Username=postgres;Password={password}", message);

    private async Task FailsAsync(string connection, string message)
    {
        var arguments = ApiInstance.Arguments(postgres.Fill(connection + ";Port={port};Database=postgres;SSL Mode=VerifyFull;Timeout=60"));
        using var error = new StringWriter(CultureInfo.InvariantCulture);

        var code = await ServiceProgram.RunAsync(() => UserSvc.Api.Program.Build(arguments), error);

        Assert.Equal($"1 {message}{Environment.NewLine}", $"{code} {error}");
    }

    public sealed class TlsPostgres : IAsyncLifetime
    {
        private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("usersvc-");
        private PostgresServer _server = null!;

        public async ValueTask InitializeAsync()
        {
            if (!OperatingSystem.IsWindows())
            {
                // The server runs as another user if this process is root's.
                _folder.UnixFileMode = (UnixFileMode)0b111_111_111;
            }

            _server = await TemporaryPostgres.StartAsync(Cancellation, ("unix_socket_directories", _folder.FullName));
            var (certificate, key) = Issue("localhost");
            var client = Issue("certified");
            await File.WriteAllTextAsync(PathOf("ca"), certificate, Cancellation);
            await File.WriteAllTextAsync(PathOf("other"), Issue("localhost").Certificate, Cancellation);
            await File.WriteAllTextAsync(PathOf("certificate"), client.Certificate, Cancellation);
            await File.WriteAllTextAsync(PathOf("key"), client.Key, Cancellation);
            var server = new NpgsqlConnectionStringBuilder(_server.ConnectionString("postgres"));
            SecretFile.Write(PathOf("passfile"), $"*:*:*:*:{server.Password}");
            await WriteAsync("server.crt", certificate);
            await WriteAsync("server.key", key);
            await WriteAsync("clients.crt", client.Certificate);
            foreach (var statement in (string[])
            [
                "CREATE ROLE certified SUPERUSER LOGIN",
                "CREATE ROLE postgres_2 SUPERUSER LOGIN",
                // The first line that fits decides. cert includes clientcert=verify-full: the certificate's name must be the role's.
                "COPY (SELECT 'hostssl all certified,postgres_2 all cert') TO PROGRAM 'cat - pg_hba.conf > new && mv new pg_hba.conf'",
                "ALTER SYSTEM SET ssl_ca_file = 'clients.crt'",
                "ALTER SYSTEM SET ssl = on",
            ])
            {
                await Sql.ExecuteAsync(server.ConnectionString, statement);
            }

            await Sql.ExecuteAsync(server.ConnectionString, "SELECT pg_reload_conf()");
            await Eventually.HoldsAsync(async () => await Sql.ScalarAsync<string>(server.ConnectionString + ";Pooling=false", "SHOW ssl") == "on");

            // The server writes its own files, as its own user.
            Task WriteAsync(string file, string pem) => Sql.ExecuteAsync(
                server.ConnectionString, $"COPY (SELECT unnest(string_to_array('{pem}', E'\\n'))) TO PROGRAM 'cat > {file} && chmod 600 {file}'");
        }

        public string Fill(string connection)
        {
            var server = new NpgsqlConnectionStringBuilder(_server.ConnectionString("postgres"));
            return connection
                .Replace("{port}", $"{server.Port}", StringComparison.Ordinal)
                .Replace("{password}", server.Password, StringComparison.Ordinal)
                .Replace("{folder}", _folder.FullName, StringComparison.Ordinal)
                .Replace("{ca}", PathOf("ca"), StringComparison.Ordinal)
                .Replace("{other}", PathOf("other"), StringComparison.Ordinal)
                .Replace("{certificate}", PathOf("certificate"), StringComparison.Ordinal)
                .Replace("{key}", PathOf("key"), StringComparison.Ordinal)
                .Replace("{passfile}", PathOf("passfile"), StringComparison.Ordinal);
        }

        public async ValueTask DisposeAsync()
        {
            await _server.DisposeAsync();
            _folder.Delete(recursive: true);
        }

        private string PathOf(string file) => Path.Combine(_folder.FullName, file);

        private static (string Certificate, string Key) Issue(string name)
        {
            using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
            var names = new SubjectAlternativeNameBuilder();
            names.AddDnsName(name);
            request.CertificateExtensions.Add(names.Build());
            using var certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
            return (certificate.ExportCertificatePem(), key.ExportPkcs8PrivateKeyPem());
        }
    }
}
