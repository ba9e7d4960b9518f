using System.Diagnostics;
using Npgsql;
using UserSvc.ServiceDefaults;

namespace UserSvc.Api.Database;

internal static class UsersDatabase
{
    /// <summary>The data source, the schema and readiness on it.</summary>
    public static void AddUsersDatabase(this WebApplicationBuilder builder)
    {
        builder.AddNpgsqlDataSource("users", configureDataSourceBuilder: Configure);
        builder.Services.AddSingleton<DatabaseOutage>();
        builder.Services.AddHostedService(services => services.GetRequiredService<DatabaseOutage>());
        builder.Services.AddSingleton<SchemaMigration>();
        builder.Services.AddHostedService(services => services.GetRequiredService<SchemaMigration>());
        builder.Services.AddHealthChecks().AddCheck<SchemaHealthCheck>("schema", tags: [ServiceDefaultsExtensions.ReadyTag]);
    }

    // What the connection string itself says goes first.
    private static void Configure(NpgsqlDataSourceBuilder dataSource)
    {
        var connection = dataSource.ConnectionStringBuilder;
        if (connection.Host?.Contains(',') == true)
        {
            Default("Target Session Attributes", () => connection.TargetSessionAttributes = "primary");
            // Without one Npgsql does not remember that a host has vanished: whenever a connection is opened, it would be waited for first.
            Default("Cancellation Timeout", () => connection.CancellationTimeout = 500);
        }

        Default("Timeout", () => connection.Timeout = 2);
        Default("Command Timeout", () => connection.CommandTimeout = 3);
        // A timed-out query's connection is given up at once: asking a server that hangs to cancel would hang as well.
        Default("Cancellation Timeout", () => connection.CancellationTimeout = -1);
        // The lookup's connection may idle for long, and networks forget idle connections (Google Cloud's after 10 minutes).
        Default("Tcp Keepalive", () => connection.TcpKeepAlive = true);
        Default("Tcp Keepalive Time", () => connection.TcpKeepAliveTime = 60);
        Default("Tcp Keepalive Interval", () => connection.TcpKeepAliveInterval = 10);
        Default("Maximum Pool Size", () => connection.MaxPoolSize = 20);
        Default("Max Auto Prepare", () => connection.MaxAutoPrepare = 20);
        Default("Application Name", () => connection.ApplicationName = "usersvc");

        // A command has a span inside a recorded trace only: an unsampled request pays nothing for it.
        dataSource.ConfigureTracing(tracing => tracing.ConfigureCommandFilter(_ => Activity.Current is { Recorded: true }).EnablePhysicalOpenTracing(false));

        void Default(string keyword, Action set)
        {
            // Not ContainsKey, which is true of every keyword there is.
            if (!connection.ShouldSerialize(keyword))
            {
                set();
            }
        }
    }
}
