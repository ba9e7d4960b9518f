namespace UserSvc.Api.Passwords;

internal static class PasswordServices
{
    /// <summary>Hashing, its throttle, and the administrator's key; each from its section, validated at start.</summary>
    public static void AddPasswords(this IHostApplicationBuilder builder)
    {
        builder.Services.AddOptions<PasswordHasherOptions>().BindConfiguration("Passwords").ValidateDataAnnotations().ValidateOnStart();
        builder.Services.AddOptions<PasswordThrottleOptions>().BindConfiguration("PasswordThrottle").ValidateDataAnnotations().ValidateOnStart();
        builder.Services.AddOptions<AdminOptions>().BindConfiguration("Admin").ValidateDataAnnotations().ValidateOnStart();
        builder.Services.AddSingleton<PasswordHasher>();
        builder.Services.AddSingleton<PasswordThrottle>();
        builder.Services.AddSingleton<PasswordCheck>();
        builder.Services.AddSingleton<Administrator>();
    }
}
